"""What is compared, by role: one list of comparisons for people, one for organisations.

A comparison gives every candidate pair a level (`levels.py`); columns that say the same thing (postcode, town,
state) make one comparison, so that evidence is not counted twice. Beside each comparison stand its weak prior
opinions: how often copies of one record agree (`agree`), how often strangers do (`chance`), and what share of
the pairs in each other latent class agrees (`shared`), None meaning "as strangers do".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from detectors.contract import Batch
from detectors.duplicates import levels, preparing
from detectors.duplicates.encoding import ALNUM, DIGITS, WORDS, Column, encode
from detectors.duplicates.preparing import Dates, Name, Words
from detectors.duplicates.text import Codes, Hashes, Ints, finish
from detectors.duplicates.vocabulary import LEGAL_FORMS
from detectors.roles import Role

Levels = npt.NDArray[np.uint8]
Fill = Callable[[Ints, Ints, Levels], None]

PEOPLE, ORGANISATIONS = "people", "organisations"
CLASSES = {
    PEOPLE: ("same person", "same household or office", "namesakes by chance", "unrelated"),
    ORGANISATIONS: ("same organisation", "same group", "same address only", "unrelated"),
}
"""Latent classes of a pair; the first is a match, the last is chance."""


@dataclass(frozen=True)
class Scale:
    """The levels of a kind of comparison in words, with prior opinions.

    words: what level 1, 2, ... means. agree, chance: probability of each level among copies and strangers.
    """

    words: tuple[str, ...]
    agree: tuple[float, ...]
    chance: tuple[float, ...]


NAME = Scale(
    ("different", "sound alike", "an initial that fits", "short form or part of the other", "nearly equal", "equal"),
    (0.05, 0.02, 0.03, 0.04, 0.09, 0.77),
    (0.93, 0.03, 0.01, 0.01, 0.01, 0.01),
)
SHORT = Scale(("different", "alike", "nearly equal", "equal"), (0.10, 0.03, 0.07, 0.80), (0.97, 0.02, 0.005, 0.005))
CODE = Scale(("different", "alike", "nearly equal", "equal"), (0.08, 0.03, 0.07, 0.82), (0.9885, 0.01, 0.001, 0.0005))
FEW = Scale(("different", "alike", "nearly equal", "equal"), (0.06, 0.02, 0.02, 0.90), (0.68, 0.01, 0.01, 0.30))
DATE = Scale(
    (
        "different",
        "same year only",
        "two of three parts agree, or all are at most one off",
        "one digit off, or day and month exchanged",
        "equal",
    ),
    (0.05, 0.02, 0.03, 0.06, 0.84),
    (0.96, 0.02, 0.018, 0.0015, 0.0005),
)
NUMBER = Scale(("different", "near", "very near", "equal"), (0.1, 0.05, 0.1, 0.75), (0.85, 0.08, 0.04, 0.03))
EMAIL = Scale(
    ("different", "local parts alike", "same local part at another domain", "nearly equal", "equal"),
    (0.22, 0.03, 0.05, 0.08, 0.62),
    (0.997, 0.0018, 0.0008, 0.0002, 0.0002),
)
SEVERAL = Scale(
    (
        "different",
        "some words agree",
        "half of the words agree",
        "one within the other",
        "most words agree",
        "nearly equal",
        "equal",
    ),
    (0.05, 0.05, 0.07, 0.10, 0.12, 0.14, 0.47),
    (0.93, 0.04, 0.012, 0.008, 0.004, 0.003, 0.003),
)
LINE = Scale(
    (
        "different",
        "only number or part of the street agrees",
        "same street, other number",
        "same street, number nearly equal",
        "same street, number unknown",
        "same number, street alike",
        "equal",
    ),
    (0.09, 0.04, 0.04, 0.05, 0.06, 0.16, 0.56),
    (0.965, 0.025, 0.006, 0.001, 0.001, 0.001, 0.001),
)
PLACE = Scale(
    (
        "different",
        "same region only",
        "same town, other postcode",
        "one of postcode and town nearly agrees",
        "same town",
        "postcode agrees",
        "postcode and town agree",
    ),
    (0.06, 0.03, 0.03, 0.05, 0.06, 0.12, 0.65),
    (0.85, 0.10, 0.02, 0.01, 0.01, 0.005, 0.005),
)


@dataclass(frozen=True)
class Comparison:
    """One thing that is compared.

    key, label: its stable name and what a steward reads. fields: the frame's columns behind it.
    exact: (rows,) a hash; two rows agree fully where it is equal; 0 where missing. Gives term frequencies.
    shared: for each latent class between the first and the last, the share of its pairs that agrees.
    fixed: the share is not learned. trust: weight in [0, 1] of its evidence (less for columns of unknown meaning).
    """

    key: str
    label: str
    fields: tuple[str, ...]
    scale: Scale
    exact: Hashes
    shared: tuple[float | None, float | None]
    trust: float = 1.0

    @property
    def top(self) -> int:
        """The level of full agreement."""
        return len(self.scale.words)


@dataclass
class Plan:
    """The comparisons of one kind of entity over one batch, and the features that blocking keys are made of.

    rows: positions in the batch that take part; every array is over these rows.
    steps: fill the rows of a level matrix, in order; each knows its own rows of the matrix.
    features: name -> (rows,) hash, 0 where missing; prefixes mean the role.
    order: (rows,) rank that puts similar records side by side, for sorted neighbourhoods.
    """

    entity: str
    rows: int
    comparisons: list[Comparison] = field(default_factory=list)
    steps: list[Callable[[Ints, Ints, npt.NDArray[np.uint8]], None]] = field(default_factory=list)
    features: dict[str, Hashes] = field(default_factory=dict)
    sort_by: list[Column] = field(default_factory=list)

    def compare(self, left: Ints, right: Ints) -> npt.NDArray[np.uint8]:
        """(comparisons, pairs) levels of the pairs of row positions."""
        found = np.zeros((len(self.comparisons), len(left)), np.uint8)
        for step in self.steps:
            step(left, right, found)
        return found

    def add(self, comparison: Comparison, fill: Fill) -> int:
        """Add a comparison that fills its own row; returns the row."""
        row = len(self.comparisons)
        self.comparisons.append(comparison)

        def step(left: Ints, right: Ints, found: npt.NDArray[np.uint8]) -> None:
            fill(left, right, found[row])

        self.steps.append(step)
        return row


def combine(*hashes: Hashes) -> Hashes:
    """One hash of several features a row; 0 where any of them is missing."""
    mixed = np.full(len(hashes[0]), 1469598103934665603, np.uint64)
    present = np.ones(len(hashes[0]), dtype=bool)
    for one in hashes:
        mixed = (mixed ^ one) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        present &= one != 0
    return np.where(present, mixed | np.uint64(1), np.uint64(0))


def _exact(column: Column) -> Hashes:
    return column.by_row(column.hashes)


_SHARED: Mapping[str, Mapping[str, tuple[float | None, float | None]]] = {
    PEOPLE: {
        "given": (0.01, 1.0),
        "birth": (0.02, None),
        "age": (0.05, None),
        "middle": (0.02, None),
        "family": (0.7, 1.0),
        "gender": (0.01, 1.0),
        "national": (0.01, None),
        "email": (0.08, None),
        "phone": (0.5, None),
        "address": (0.85, None),
        "unit": (0.85, None),
        "fax": (0.6, None),
        "place": (0.95, None),
        "company": (0.4, None),
        "website": (0.4, None),
        "other": (0.5, None),
    },
    ORGANISATIONS: {
        "name": (0.7, None),
        "email": (0.3, 0.15),
        "phone": (0.25, 0.3),
        "website": (0.7, 0.15),
        "address": (None, 0.9),
        "unit": (None, 0.5),
        "fax": (0.25, 0.3),
        "place": (0.3, 0.95),
        "tax": (0.3, None),
        "industry": (0.8, 0.2),
        "other": (0.5, 0.3),
    },
}


class Planner:
    """Builds the plan of one kind of entity from a batch, one role after the other."""

    def __init__(self, batch: Batch, entity: str, series_of: Callable[[str], object]) -> None:
        self.batch, self.entity = batch, entity
        self.series_of = series_of
        self.plan = Plan(entity, len(batch))
        self.names: list[Column | None] = [None, None]

    def _shared(self, key: str) -> tuple[float | None, float | None]:
        return _SHARED[self.entity].get(key, (None, None))

    def _empty(self) -> Column:
        return Column(
            np.full(self.plan.rows, -1, np.int32), np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.uint64)
        )

    def columns(self, *roles: Role) -> list[str]:
        return [name for name in self.batch.columns(*roles) if self.batch.frame[name].notna().any()]

    def build(self) -> Plan:
        if self.entity == PEOPLE:
            self.person()
        else:
            self.organisation()
        self.dates()
        self.keys()
        self.contact()
        self.address()
        self.place()
        self.others()
        return self.plan

    def _comparison(
        self, key: str, label: str, fields: list[str], scale: Scale, exact: Hashes, trust: float = 1.0
    ) -> Comparison:
        family = key.split(":")[0]
        return Comparison(key, label, tuple(fields), scale, exact, self._shared(family), trust)

    # -- names -----------------------------------------------------------------------------------------------

    def person(self) -> None:
        frame = self.batch.frame
        given, family = self.columns(Role.GIVEN_NAME), self.columns(Role.FAMILY_NAME)
        middle, whole = self.columns(Role.MIDDLE_NAME), self.columns(Role.NAME)
        if given or family:
            fields = (given[:1], middle[:1], family[:1])
            parts = [encode(frame[names[0]], WORDS) if names else None for names in fields]
        elif whole:
            fields = (whole[:1],) * 3
            parts = list(preparing.split_names(frame[whole[0]]))
        else:
            return
        rows: dict[str, tuple[int, Name]] = {}
        for key, label, names, column in zip(
            ("given", "middle", "family"), ("given name", "middle name", "family name"), fields, parts, strict=True
        ):
            if column is not None and column.filled:
                prepared = preparing.name(column)
                comparison = self._comparison(key, label, names, NAME, _exact(column))
                rows[key] = self.plan.add(comparison, partial(_fill_name, prepared)), prepared
                self.plan.features[key] = _exact(column)
                self.plan.features[f"{key}~"] = column.by_row(prepared.sounds)
        if "given" in rows and "family" in rows:
            self.plan.steps.append(partial(_swap, rows["given"], rows["family"]))
            first, second = self.plan.features["given~"], self.plan.features["family~"]
            self.plan.features["names~"] = combine(np.minimum(first, second), np.maximum(first, second))
        for key in ("family", "given"):
            if key in rows:
                column = rows[key][1].column
                self.plan.sort_by.append(column)
                self.plan.features[f"{key}^"] = column.by_row(_prefix(column, 3))
                self.plan.features[f"{key}1"] = column.by_row(_prefix(column, 1))
        self.names = [rows[key][1].column if key in rows else None for key in ("given", "family")]

    def organisation(self) -> None:
        names = self.columns(Role.COMPANY, Role.NAME)
        for place, name in enumerate(names[:2]):
            first = place == 0
            key, trust = ("name", 1.0) if first else (f"other:{name}", 0.4)
            prepared = self._several(key, name, [name], LEGAL_FORMS, trust)
            if first:
                self.plan.sort_by.append(prepared.column)

    def _several(
        self, key: str, label: str, fields: list[str], drop: frozenset[str] = frozenset(), trust: float = 1.0
    ) -> Words:
        prepared = preparing.words(encode(self.batch.frame[fields[0]], WORDS), drop=drop)
        column = prepared.column
        comparison = self._comparison(key, label, fields, SEVERAL, _exact(column), trust)
        self.plan.add(comparison, partial(_fill_words, prepared))
        if trust == 1.0:
            self.plan.features[key] = column.by_row(prepared.joined)
            for place, rare in enumerate(_rarest(prepared)):
                self.plan.features[f"{key}#{place}"] = column.by_row(rare)
        return prepared

    # -- dates, numbers, identifiers ---------------------------------------------------------------------------

    def dates(self) -> None:
        for name in self.columns(Role.DATE_OF_BIRTH)[:1]:
            prepared = preparing.dates(self.batch.frame[name])
            column = prepared.column
            self.plan.add(
                self._comparison("birth", "date of birth", [name], DATE, _exact(column)), partial(_fill_date, prepared)
            )
            spread = column.by_row
            self.plan.features["birth"] = _exact(column)
            self.plan.features["birth.y"] = spread(_hashed(prepared.years))
            self.plan.features["birth.md"] = spread(_hashed(prepared.months * 100 + prepared.days))
            swapped = np.minimum(prepared.months, prepared.days) * 100 + np.maximum(prepared.months, prepared.days)
            self.plan.features["birth~"] = spread(_hashed(prepared.years * 10000 + swapped))
            self.plan.sort_by.append(column)
        if "birth" not in self.plan.features:
            for name in self.columns(Role.AGE)[:1]:
                values = preparing.number(self.batch.frame[name])
                exact = np.where(np.isnan(values), np.uint64(0), _hashed(np.nan_to_num(values * 16).astype(np.int64)))
                self.plan.add(self._comparison("age", "age", [name], NUMBER, exact), partial(_fill_number, values))
                self.plan.features["age"] = exact

    def keys(self) -> None:
        for key, role in (("national", Role.NATIONAL_ID), ("tax", Role.TAX_ID), ("bank", Role.BANK_ACCOUNT)):
            for name in self.columns(role)[:2]:
                self._short(f"{key}:{name}", name, [name], CODE, ALNUM, feature=True)
        for name in self.columns(Role.GENDER)[:1]:
            column = encode(self.batch.frame[name], WORDS)
            column = preparing.encode_values([value[:1] for value in column.values()], column.codes)
            self._short("gender", "gender", [name], FEW, ALNUM, columns=[column])

    def _short(
        self,
        key: str,
        label: str,
        fields: list[str],
        scale: Scale,
        mode: int,
        *,
        columns: list[Column] | None = None,
        feature: bool = False,
        trust: float = 1.0,
    ) -> None:
        if columns is None:
            columns = preparing.united([encode(self.batch.frame[name], mode) for name in fields])
        exact = _exact(columns[0])
        for column in columns[1:]:
            exact = np.where(exact == 0, _exact(column), exact)
        self.plan.add(self._comparison(key, label, fields, scale, exact, trust), partial(_fill_short, columns))
        if feature:
            for place, column in enumerate(columns[:3]):
                self.plan.features[key.split(":")[0] + "'" * place] = _exact(column)

    # -- ways to reach -------------------------------------------------------------------------------------------

    def contact(self) -> None:
        frame = self.batch.frame
        mails = self.columns(Role.EMAIL)[:3]
        if mails:
            columns = preparing.united([encode(frame[name], preparing.EMAIL) for name in mails])
            ats = preparing.find(columns[0], "@")
            exact = _exact(columns[0])
            self.plan.add(
                self._comparison("email", "e-mail", mails, EMAIL, exact),
                partial(_fill_email, columns, ats, [name or self._empty() for name in self.names]),
            )
            for place, column in enumerate(columns):
                mark = "'" * place
                local = preparing.kernels.hash_parts(column.text, column.starts[:-1], ats)
                local[ats - column.starts[:-1] < 4] = 0
                self.plan.features["email" + mark] = _exact(column)
                self.plan.features["local" + mark] = column.by_row(local)
        phones = self.columns(Role.PHONE)[:4]
        if phones:
            columns = preparing.united([preparing.phone(frame[name]) for name in phones])
            self._short("phone", "telephone", phones, CODE, DIGITS, columns=columns, feature=True)
            tail = _suffix(columns[0], 4)
            self.plan.features["phone4"] = columns[0].by_row(tail)
        faxes = self.columns(Role.FAX)[:1]
        if faxes:
            self._short("fax", "fax", faxes, CODE, DIGITS, columns=[preparing.phone(frame[faxes[0]])], feature=True)
        sites = self.columns(Role.WEBSITE)[:1]
        if sites:
            self._short(
                "website", "website", sites, CODE, WORDS, columns=[preparing.website(frame[sites[0]])], feature=True
            )

    # -- where ---------------------------------------------------------------------------------------------------

    def address(self) -> None:
        frame = self.batch.frame
        lines = self.columns(Role.STREET) or self.columns(Role.ADDRESS)
        numbers = self.columns(Role.HOUSE_NUMBER)[:1]
        if not lines:
            return
        whole = encode(frame[lines[0]], WORDS)
        number, street = preparing.street_line(whole)
        if numbers:
            own = encode(frame[numbers[0]], WORDS)
            number, _ = preparing.street_line(own)
            if own.filled < 0.5 * len(frame):
                number, _ = preparing.street_line(encode(frame[numbers[0]].fillna(frame[lines[0]]), WORDS))
            elif not numbers:
                street = whole
        prepared = preparing.words(street)
        exact = combine(_exact(prepared.column), _exact(number))
        self.plan.add(
            self._comparison("address", "address", [*numbers, lines[0]], LINE, exact),
            partial(_fill_line, prepared, number),
        )
        self.plan.features["street"] = prepared.column.by_row(prepared.joined)
        self.plan.features["house"] = _exact(number)
        rare = _rarest(prepared)
        self.plan.features["street#"] = prepared.column.by_row(rare[0])
        for name in (self.columns(Role.UNIT) + lines[1:])[:2]:
            row = len(self.plan.comparisons)
            second = self._several(f"unit:{name}", name, [name])
            other = second.column.by_row(second.joined)
            self.plan.steps.append(partial(_swap_lines, row - 1, row, self.plan.features["street"], other))

    def place(self) -> None:
        frame = self.batch.frame
        codes, towns = self.columns(Role.POSTCODE)[:1], self.columns(Role.CITY)[:1]
        regions = (self.columns(Role.REGION) + self.columns(Role.COUNTY) + self.columns(Role.COUNTRY))[:1]
        if not (codes or towns or regions):
            return
        empty = self._empty()
        code = encode(frame[codes[0]], ALNUM) if codes else empty
        town = encode(frame[towns[0]], WORDS) if towns else empty
        region = encode(frame[regions[0]], WORDS) if regions else empty
        both = (
            combine(_exact(code), _exact(town))
            if codes and towns
            else _exact(code if codes else town if towns else region)
        )
        self.plan.add(
            self._comparison("place", "place", [*codes, *towns, *regions], PLACE, both),
            partial(_fill_place, code, town, region),
        )
        if codes:
            self.plan.features["postcode"] = _exact(code)
        if towns:
            self.plan.features["town"] = _exact(town)

    # -- the rest ----------------------------------------------------------------------------------------------

    def others(self) -> None:
        if self.entity == PEOPLE:
            for name in self.columns(Role.COMPANY)[:1]:
                self._several("company", name, [name], LEGAL_FORMS)
        for role, key in ((Role.JOB_TITLE, "title"), (Role.INDUSTRY, "industry")):
            for name in self.columns(role)[:1]:
                self._several(f"{key}:{name}", name, [name], trust=0.5)
        for name in self._informative(self.columns(Role.TEXT, Role.CATEGORY))[:5]:
            self._several(f"other:{name}", name, [name], trust=0.4)

    def _informative(self, names: list[str]) -> list[str]:
        """The columns of unknown meaning that can tell records apart, the most informative first."""
        worth = []
        for name in names:
            counts = self.batch.frame[name].value_counts().to_numpy(np.float64)
            rows = counts.sum()
            if rows < max(2.0, 0.05 * self.plan.rows) or len(counts) < 2:
                continue
            share = counts / rows
            worth.append((-float(rows / self.plan.rows * -(share * np.log2(share)).sum()), name))
        return [name for _, name in sorted(worth)]


def _hashed(values: Ints) -> Hashes:
    mixed = (values.astype(np.uint64) + np.uint64(11)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    return mixed * np.uint64(0xBF58476D1CE4E5B9) | np.uint64(1)


def _prefix(column: Column, length: int) -> Hashes:
    firsts = column.starts[:-1]
    hashes = preparing.kernels.hash_parts(column.text, firsts, np.minimum(column.starts[1:], firsts + length))
    return np.asarray(hashes)


def _suffix(column: Column, length: int) -> Hashes:
    lasts = column.starts[1:]
    return np.asarray(preparing.kernels.hash_parts(column.text, np.maximum(column.starts[:-1], lasts - length), lasts))


def _rarest(prepared: Words, count: int = 3) -> list[Hashes]:
    """The hashes of each value's `count` heaviest words by sound (typing errors keep it), heaviest first."""
    vocabulary = prepared.vocabulary
    sound = preparing.kernels.sounds(vocabulary.text, vocabulary.starts[:-1], vocabulary.starts[1:])
    found = np.zeros((count, len(prepared.column)), np.uint64)
    _pick(prepared.bounds, prepared.tokens, prepared.weights, sound, found)
    return list(found)


@preparing.kernels.compiled
def _pick(bounds: Ints, tokens: Codes, weights: np.ndarray, sound: Hashes, found: np.ndarray) -> None:
    for value in range(len(bounds) - 1):
        taken = np.uint64(0)
        for rank in range(found.shape[0]):
            best, at = 0.0, -1
            for place in range(bounds[value], min(bounds[value + 1], bounds[value] + 64)):
                if taken >> np.uint64(place - bounds[value]) & np.uint64(1):
                    continue
                if weights[tokens[place]] > best:
                    best, at = weights[tokens[place]], place
            if at < 0:
                break
            taken |= np.uint64(1) << np.uint64(at - bounds[value])
            found[rank, value] = sound[tokens[at]]


def _fill_name(prepared: Name, left: Ints, right: Ints, out: Levels) -> None:
    column = prepared.column
    levels.names(left, right, column.codes, column.text, column.starts, prepared.aliases, prepared.sounds, out)


def _swap(given: tuple[int, Name], family: tuple[int, Name], left: Ints, right: Ints, found: Levels) -> None:
    one, two = given[1].column, family[1].column
    levels.swapped_names(
        left, right, one.codes, one.text, one.starts, two.codes, two.text, two.starts, found[given[0]], found[family[0]]
    )


def _fill_words(prepared: Words, left: Ints, right: Ints, out: Levels) -> None:
    levels.words(
        left,
        right,
        prepared.column.codes,
        prepared.bounds,
        prepared.tokens,
        prepared.weights,
        prepared.vocabulary.text,
        prepared.vocabulary.starts,
        prepared.joined,
        out,
    )


def _fill_date(prepared: Dates, left: Ints, right: Ints, out: Levels) -> None:
    levels.dates(left, right, prepared.column.codes, prepared.years, prepared.months, prepared.days, out)


def _fill_number(values: npt.NDArray[np.float64], left: Ints, right: Ints, out: Levels) -> None:
    levels.numbers(left, right, values, out)


def _fill_short(columns: list[Column], left: Ints, right: Ints, out: Levels) -> None:
    for one in columns:
        for two in columns:
            first = one is columns[0] and two is columns[0]
            levels.short(left, right, one.codes, two.codes, one.text, one.starts, out, not first)


def _fill_email(columns: list[Column], ats: Ints, names: list[Column], left: Ints, right: Ints, out: Levels) -> None:
    given, family = ((name.codes, name.text, name.starts) for name in names)
    for one in columns:
        for two in columns:
            first = one is columns[0] and two is columns[0]
            levels.emails(left, right, one.codes, two.codes, one.text, one.starts, ats, *given, *family, out, not first)


def _fill_line(street: Words, number: Column, left: Ints, right: Ints, out: Levels) -> None:
    numbers = np.zeros(len(left), np.uint8)
    _fill_words(street, left, right, out)
    levels.short(left, right, number.codes, number.codes, number.text, number.starts, numbers, False)
    out[:] = _LINE[out, numbers]


def _fill_place(code: Column, town: Column, region: Column, left: Ints, right: Ints, out: Levels) -> None:
    parts = []
    for column in (code, town, region):
        part = np.zeros(len(left), np.uint8)
        if column.filled:
            levels.short(left, right, column.codes, column.codes, column.text, column.starts, part, False)
        parts.append(part)
    out[:] = _PLACE[tuple(parts)]


def _swap_lines(line: int, unit: int, street: Hashes, other: Hashes, left: Ints, right: Ints, found: Levels) -> None:
    """Where the two lines of an address stand crosswise, both count as nearly equal."""
    one, two = (street[left] == other[right]) & (street[left] != 0), (other[left] == street[right]) & (other[left] != 0)
    crossed = (one | two) & (found[line] <= 2) & (found[unit] <= 3)
    found[line, crossed], found[unit, crossed] = 6, 5


def _line_table() -> Levels:
    """Level of LINE by (level of the street's words, level of the house number)."""
    table = np.zeros((8, 5), np.uint8)
    for street in range(1, 8):
        same, alike = street >= 6, 3 <= street <= 5
        for number in range(5):
            if same:
                table[street, number] = {0: 5, 1: 3, 2: 4, 3: 4, 4: 7}[number]
            elif alike:
                table[street, number] = 6 if number == 4 else 3 if number == 0 else 2
            else:
                table[street, number] = 2 if number == 4 or street == 2 else 1
    return table


def _place_table() -> Levels:
    """Level of PLACE by (level of the postcode, of the town, of the region)."""
    table = np.zeros((5, 5, 5), np.uint8)
    for code in range(5):
        for town in range(5):
            for region in range(5):
                best, worst = max(code, town), min(code, town)
                if code == town == 0:
                    level = 0 if region == 0 else 2 if region == 4 else 1
                elif code == town == 4:
                    level = 7
                elif best == 4 and (worst >= 2 or (worst == 0 and code == 4)):
                    level = 6
                elif best == 4 and worst == 0:
                    level = 5
                elif code == 4 or best == worst == 3:
                    level = 4
                elif town == 4:
                    level = 3
                elif best == 3:
                    level = 4
                else:
                    level = 2 if region == 4 else 1
                table[code, town, region] = level
    return table


_LINE, _PLACE = _line_table(), _place_table()


def plan(batch: Batch, entity: str) -> Plan:
    """What to compare in this batch, taken for people or for organisations."""
    return Planner(batch, entity, lambda name: batch.frame[name]).build()
