"""The compiled comparisons (`levels`, `fills`) as SQL over prepared columns, one condition a level.

A column `x` of the left record is `x_l`, of the right one `x_r`, as Splink has it. Edit distance is the engine's
`damerau_levenshtein` (on Spark from the jar that Splink brings): where three edits touch two letters it is
now and then one less than ours ("ca", "abc"), and beyond 64 letters it goes on where ours stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from detectors.duplicates import fills
from detectors.duplicates.exchange.dialects import Dialect

ELSE = "ELSE"
Conditions = list[tuple[int, str]]
"""(level, condition) from the nearest level down; 0 says nothing. The last is `ELSE`."""


def _all(*parts: str) -> str:
    return "(" + " AND ".join(parts) + ")"


def _any(parts: Sequence[str]) -> str:
    return "(" + " OR ".join(parts) + ")"


def _longest(one: str, other: str) -> str:
    return f"greatest(length({one}), length({other}))"


def _shortest(one: str, other: str) -> str:
    return f"least(length({one}), length({other}))"


def _gap(one: str, other: str) -> str:
    return f"abs(length({one}) - length({other}))"


def _edits(one: str, other: str) -> str:
    return f"damerau_levenshtein({one}, {other})"


def _allowed(length: str) -> str:
    """How many typing errors still make "nearly equal" at this length."""
    return f"(CASE WHEN {length} < 3 THEN 0 WHEN {length} < 8 THEN 1 ELSE 2 END)"


def _first(one: str) -> str:
    return f"substr({one}, 1, 1)"


def _near(one: str, other: str) -> str:
    return _all(f"{_gap(one, other)} <= 2", f"{_edits(one, other)} <= {_allowed(_longest(one, other))}")


def _closed(conditions: Conditions, missing: str) -> Conditions:
    """The conditions with "says nothing" first and "different" last."""
    return [(0, missing), *conditions, (1, ELSE)]


# -- names ---------------------------------------------------------------------------------------------------


def _name(name: str, dialect: Dialect) -> dict[int, str]:
    one, other = f"{name}_l", f"{name}_r"
    equal = f"{one} = {other}"
    several = f"{_shortest(one, other)} >= 2"
    inside = _all(f"{_shortest(one, other)} >= 3", _any([f"contains({one}, {other})", f"contains({other}, {one})"]))
    short_form = dialect.overlap(f"{name}_forms_l", f"{name}_forms_r")
    alike = _all(several, f"{_edits(one, other)} * 10 <= {_longest(one, other)} * 4")
    return {
        6: equal,
        5: _all(several, _near(one, other)),
        4: _any([inside, f"coalesce({short_form}, false)"]),
        3: _all(f"{_shortest(one, other)} = 1", f"{_first(one)} = {_first(other)}"),
        2: _any([alike, f"{name}_sound_l = {name}_sound_r"]),
    }


def name(column: str, dialect: Dialect) -> Conditions:
    """A given, middle or family name by itself."""
    return _closed(list(_name(column, dialect).items()), f"{column}_l IS NULL OR {column}_r IS NULL")


def crossed_names(given: str, family: str, dialect: Dialect) -> tuple[Conditions, Conditions]:
    """Given and family name, nearly equal too where they agree crosswise but not straight."""
    straight = {one: _name(one, dialect) for one in (given, family)}
    low = [f"NOT coalesce({_any([parts[level] for level in (6, 5, 4, 3)])}, false)" for parts in straight.values()]
    one, two = _near(f"{given}_l", f"{family}_r"), _near(f"{given}_r", f"{family}_l")
    there_one = _all(f"{given}_l IS NOT NULL", f"{family}_r IS NOT NULL")
    there_two = _all(f"{given}_r IS NOT NULL", f"{family}_l IS NOT NULL")
    yes_one, yes_two = f"coalesce({one}, false)", f"coalesce({two}, false)"
    no_two, no_one = _all(there_two, f"NOT {yes_two}"), _all(there_one, f"NOT {yes_one}")
    both = _all(f"{family}_l IS NOT NULL", f"{family}_r IS NOT NULL")
    crossed = {
        given: _all(*low, yes_one, f"NOT {no_two}"),
        family: _any(
            [
                _all(*low, yes_two, f"NOT {no_one}"),
                _all(*low, yes_one, f"NOT {no_two}", both),
            ]
        ),
    }
    found = []
    for column in (given, family):
        levels = dict(straight[column])
        levels[5] = _any([levels[5], crossed[column]])
        there = _all(f"{column}_l IS NOT NULL", f"{column}_r IS NOT NULL")
        found.append([*levels.items(), (1, there), (0, ELSE)])
    return found[0], found[1]


# -- short values, dates, numbers ------------------------------------------------------------------------------


def _short(one: str, other: str, dialect: Dialect) -> dict[int, str]:
    comparable = f"{_gap(one, other)} * 10 <= {_longest(one, other)} * 4"
    distance = _edits(one, other)
    begins = _all(f"{_shortest(one, other)} >= 2", _any([dialect.starts(one, other), dialect.starts(other, one)]))
    return {
        4: f"{one} = {other}",
        3: _all(comparable, f"{distance} <= {_allowed(_longest(one, other))}"),
        2: _any([_all(comparable, f"{distance} * 10 <= {_longest(one, other)} * 4"), begins]),
    }


def short(columns: Sequence[str], dialect: Dialect) -> Conditions:
    """A short value; several columns of one meaning are compared crosswise and the best counts."""
    pairs = [(f"{one}_l", f"{other}_r") for one, other in product(columns, columns)]
    levels = [_short(one, other, dialect) for one, other in pairs]
    conditions = [(level, _any([f"coalesce({one[level]}, false)" for one in levels])) for level in (4, 3, 2)]
    there = _any([_all(f"{one} IS NOT NULL", f"{other} IS NOT NULL") for one, other in pairs])
    return _closed(conditions, f"NOT {there}")


def _as_number(conditions: Conditions) -> str:
    """The level as one whole number."""
    whens = " ".join(f"WHEN {sql} THEN {level}" for level, sql in conditions if sql != ELSE)
    return f"(CASE {whens} ELSE {conditions[-1][0]} END)"


def date(column: str) -> Conditions:
    """A date, written as eight digits in `column`, with its parts in `_y`, `_m`, `_d`."""
    one, other = f"{column}_l", f"{column}_r"
    digits = [(f"substr({one}, {place}, 1)", f"substr({other}, {place}, 1)") for place in range(1, 9)]
    changed = " + ".join(f"(CASE WHEN {a} = {b} THEN 0 ELSE 1 END)" for a, b in digits)
    swapped = _any(
        [
            _all(
                f"{digits[place][0]} = {digits[place + 1][1]}",
                f"{digits[place + 1][0]} = {digits[place][1]}",
                f"{digits[place][0]} <> {digits[place][1]}",
            )
            for place in range(7)
        ]
    )
    same = {part: f"{column}_{part}_l = {column}_{part}_r" for part in "ymd"}
    exchanged = _all(same["y"], f"{column}_m_l = {column}_d_r", f"{column}_d_l = {column}_m_r")
    parts = " + ".join(f"(CASE WHEN {sql} THEN 1 ELSE 0 END)" for sql in same.values())
    close = _all(*(f"abs({column}_{part}_l - {column}_{part}_r) <= 1" for part in "ymd"))
    return _closed(
        [
            (5, f"{one} = {other}"),
            (4, _any([exchanged, f"({changed}) <= 1", _all(f"({changed}) = 2", swapped)])),
            (3, _any([f"({parts}) >= 2", close])),
            (2, same["y"]),
        ],
        f"{one} IS NULL OR {other} IS NULL",
    )


def number(column: str) -> Conditions:
    """A number: equal, within a hundredth or 1, within a tenth or 2."""
    one, other = f"{column}_l", f"{column}_r"
    gap, size = f"abs({one} - {other})", f"greatest(abs({one}), abs({other}))"
    return _closed(
        [
            (4, f"{one} = {other}"),
            (3, f"{gap} <= greatest(1.0, {size} * 0.01)"),
            (2, f"{gap} <= greatest(2.0, {size} * 0.1)"),
        ],
        f"{one} IS NULL OR {other} IS NULL",
    )


def implied(other: Conditions, least: int, own: Conditions) -> Conditions:
    """The own comparison, whose agreement says nothing where the other reaches `least` (`fills.implied`)."""
    agreed = _any([f"coalesce({sql}, false)" for level, sql in other if level >= least])
    (missing, is_missing), *levels, different = own
    follows = _all(agreed, _any([f"coalesce({sql}, false)" for level, sql in levels if level > 1]))
    return [(missing, _any([is_missing, follows])), *levels, different]


# -- e-mail ------------------------------------------------------------------------------------------------------


def email(columns: Sequence[str], names: Sequence[str]) -> Conditions:
    """E-mail addresses; what is merely alike says nothing.

    names: columns with the first letters of given and family name. Beside each column stand `_local` (before the "@")
    and `_digits` (the digits of that).
    """
    levels = [_email(one, other, names) for one, other in product(columns, columns)]
    found = [(level, _any([f"coalesce({one[level]}, false)" for one in levels])) for level in (4, 3, 2, 1)]
    return [*found, (0, ELSE)]


def _email(left: str, right: str, names: Sequence[str]) -> dict[int, str]:
    one, other = f"{left}_l", f"{right}_r"
    local, others = f"{left}_local_l", f"{right}_local_r"

    def distance(a: str, b: str) -> str:
        return f"(CASE WHEN {_gap(a, b)} * 10 <= {_longest(a, b)} * 3 THEN {_edits(a, b)} ELSE {_longest(a, b)} END)"

    near = f"{distance(one, other)} <= {_allowed(_longest(one, other))}"
    alike = _any(
        [
            f"{distance(one, other)} * 10 <= {_longest(one, other)} * 2",
            f"{distance(local, others)} * 10 <= {_longest(local, others)} * 3",
        ]
    )
    holds = _any([f"coalesce(contains({local}, {name}_l), false)" for name in names]) if names else "false"
    slip = _all(f"{_first(one)} = {_first(other)}", f"{left}_digits_l = {right}_digits_r")
    return {
        4: f"{one} = {other}",
        3: _all(near, _any([f"NOT {holds}", slip])),
        2: _all(f"NOT {near}", f"{local} = {others}", f"NOT {holds}"),
        1: _all(f"NOT {near}", f"{local} <> {others}", f"NOT {alike}"),
    }


# -- several words -----------------------------------------------------------------------------------------------


def words(column: str, dialect: Dialect) -> Conditions:
    """Several words, weighed by rarity, each with its best partner; `_words`, `_weights`, `_mass` stand beside.

    "Different" is asked first, for it is what most pairs are, and each further level works the whole out again.
    """
    level = words_level(column, dialect)
    return [
        (0, f"{column}_l IS NULL OR {column}_r IS NULL"),
        (7, f"{column}_l = {column}_r"),
        *((number, f"{level} = {number}") for number in (1, 6, 5, 4, 3)),
        (2, ELSE),
    ]


def _words_number(column: str, dialect: Dialect) -> str:
    """Level 0 to 7 as one whole number."""
    return (
        f"(CASE WHEN {column}_l IS NULL OR {column}_r IS NULL THEN 0"
        f" WHEN {column}_l = {column}_r THEN 7 ELSE {words_level(column, dialect)} END)"
    )


def words_level(column: str, dialect: Dialect) -> str:
    """Level 1 to 6 of two different texts, as one whole number."""
    swap = f"{dialect.size(f'{column}_words_l')} > {dialect.size(f'{column}_words_r')}"

    def ordered(part: str) -> tuple[str, str]:
        one, other = f"{column}_{part}_l", f"{column}_{part}_r"
        return f"CASE WHEN {swap} THEN {other} ELSE {one} END", f"CASE WHEN {swap} THEN {one} ELSE {other} END"

    (a, b), (v, w) = ordered("words"), ordered("weights")
    sides = dialect.struct(a=a, b=b, v=v, w=w, mine=f"{column}_mass_l", theirs=f"{column}_mass_r")
    likeness = _likeness(dialect.item("p.a", "i"), dialect.item("p.b", "j"))
    score = f"CASE WHEN (held.used & {dialect.bit('j')}) <> 0 THEN 0 ELSE {likeness} - j END"
    partner = dialect.best(dialect.size("p.b"), "j", score)
    mine, theirs = dialect.item("p.v", "i"), dialect.item("p.w", "(q.k - q.e)")
    gained = (
        f"2 * (q.k / 1000.0) * least({mine}, {theirs})"
        f" + CASE WHEN q.k < 1000 THEN (q.k / 1000.0) * abs({mine} - {theirs}) ELSE 0.0 END"
    )
    taken = dialect.struct(
        used=f"(held.used | {dialect.bit('(q.k - q.e)')})", found=f"CAST(held.found + {gained} AS DOUBLE)"
    )
    step = dialect.let(
        "e",
        f"CAST({partner} AS INT)",
        "CASE WHEN e <= 0 THEN held ELSE "
        + dialect.let("q", dialect.struct(e="e", k="CAST(ceil(e / 100.0) AS INT) * 100"), taken)
        + " END",
    )
    start = dialect.struct(used="CAST(0 AS BIGINT)", found="CAST(0 AS DOUBLE)")
    found = dialect.fold(dialect.size("p.a"), start, "held", "i", step)
    result = dialect.struct(found=f"({found}).found", mine="p.mine", theirs="p.theirs")
    share = "s.found / (s.mine + s.theirs)"
    ladder = (
        f"CASE WHEN {share} >= 0.93 THEN 6 WHEN {share} >= 0.75 THEN 5"
        f" WHEN s.found >= 1.9 * least(s.mine, s.theirs) THEN 4"
        f" WHEN {share} >= 0.5 THEN 3 WHEN {share} >= 0.25 THEN 2 ELSE 1 END"
    )
    return dialect.let("p", sides, dialect.let("s", result, ladder))


def _likeness(one: str, other: str) -> str:
    """Likeness of two words in thousandths."""
    return (
        f"(CASE WHEN {one} = {other} THEN 1000"
        f" WHEN {_first(one)} <= '9' OR {_first(other)} <= '9' THEN 0"
        f" WHEN length({one}) = 1 OR length({other}) = 1 THEN"
        f" CASE WHEN {_first(one)} = {_first(other)} THEN 500 ELSE 0 END"
        f" WHEN {_gap(one, other)} * 10 > {_longest(one, other)} * 4 THEN 0"
        f" WHEN {_edits(one, other)} <= {_allowed(_longest(one, other))} THEN 900"
        f" WHEN {_edits(one, other)} * 10 <= {_longest(one, other)} * 3 THEN 600 ELSE 0 END)"
    )


# -- address and place ---------------------------------------------------------------------------------------------


def _looked_up(table: Sequence[int], place: str) -> str:
    """The level at a place (from 1) of a table of one-digit levels."""
    return f"CAST(substr('{''.join(str(int(level)) for level in table)}', CAST({place} AS INT), 1) AS INT)"


def line(street: str, house: str, dialect: Dialect) -> Conditions:
    """An address line, from the levels of its street and its number."""
    level = _line_level(street, house, dialect)
    return [
        (0, f"{street}_l IS NULL OR {street}_r IS NULL"),
        *((number, f"{level} = {number}") for number in (1, 7, 6, 5, 4, 3)),
        (2, ELSE),
    ]


def _line_level(street: str, house: str, dialect: Dialect) -> str:
    place = f"{_words_number(street, dialect)} * 5 + {_as_number(short([house], dialect))} + 1"
    return _looked_up(fills._LINE.ravel().tolist(), place)


def place(parts: Sequence[str | None], dialect: Dialect) -> Conditions:
    """A place, from the levels of postcode, town and region (None: there is no such column)."""
    numbers = [_as_number(short([part], dialect)) if part else "0" for part in parts]
    level = _looked_up(fills.PLACES.ravel().tolist(), f"{numbers[0]} * 25 + {numbers[1]} * 5 + {numbers[2]} + 1")
    return [*((number, f"{level} = {number}") for number in (7, 1, 6, 5, 4, 3, 2)), (0, ELSE)]


def crossed_lines(line: str, unit: str, dialect: Dialect) -> tuple[Conditions, Conditions]:
    """Address line and second line, nearly equal too where they stand crosswise."""
    street = f"{line}_street"
    levels = (_line_level(street, f"{line}_house", dialect), _words_number(unit, dialect))
    maybe = _any([f"coalesce({street}_l = {unit}_r, false)", f"coalesce({unit}_l = {street}_r, false)"])
    crossed = _all(maybe, f"{levels[0]} <= 2", f"{levels[1]} <= 3")
    found = []
    for level, near in ((levels[0], 6), (levels[1], 5)):
        conditions: Conditions = [(1, _all(f"NOT {crossed}", f"{level} = 1"))]
        for number in (7, 6, 5, 4, 3, 2):
            same = f"{level} = {number}"
            conditions.append((number, _any([crossed, same]) if number == near else same))
        found.append([*conditions, (0, ELSE)])
    return found[0], found[1]
