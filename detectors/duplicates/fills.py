"""Fills rows of the level matrix: binds the compiled comparisons (`levels`) to prepared columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.duplicates import levels, levels_words
from detectors.duplicates.encoding import Column
from detectors.duplicates.plan import Levels
from detectors.duplicates.preparing import Dates, Name, Words
from detectors.duplicates.text import Hashes, Ints


def fill_name(prepared: Name, left: Ints, right: Ints, out: Levels) -> None:
    column = prepared.column
    levels.names(
        left, right, column.codes, column.text, column.starts, column.signatures, prepared.aliases, prepared.sounds, out
    )


def swap(given: tuple[int, Name], family: tuple[int, Name], left: Ints, right: Ints, found: Levels) -> None:
    one, two = given[1].column, family[1].column
    levels.swapped_names(
        left, right, one.codes, one.text, one.starts, two.codes, two.text, two.starts, found[given[0]], found[family[0]]
    )


def fill_words(prepared: Words, left: Ints, right: Ints, out: Levels) -> None:
    levels_words.words(
        left,
        right,
        prepared.column.codes,
        prepared.bounds,
        prepared.tokens,
        prepared.weights,
        prepared.vocabulary.text,
        prepared.vocabulary.starts,
        prepared.vocabulary.signatures,
        out,
    )


def fill_date(prepared: Dates, left: Ints, right: Ints, out: Levels) -> None:
    levels.dates(left, right, prepared.column.codes, prepared.years, prepared.months, prepared.days, out)


def fill_number(values: npt.NDArray[np.float64], left: Ints, right: Ints, out: Levels) -> None:
    levels.numbers(left, right, values, out)


def implied(other: int, least: int, row: int, left: Ints, right: Ints, found: Levels) -> None:
    """Agreement that follows from another comparison's says nothing more; disagreement all the same does.

    Where dates of birth (nearly) agree, so do ages; where given names do, so does the gender. Counted twice, a father
    and a son of one name looked like one person.

    other, least: the row of the other comparison, and the level from which it implies this one.
    """
    found[row, (found[other] >= least) & (found[row] > 1)] = 0


def fill_short(columns: list[Column], left: Ints, right: Ints, out: Levels) -> None:
    for one in columns:
        for two in columns:
            first = one is columns[0] and two is columns[0]
            levels.short(left, right, one.codes, two.codes, one.text, one.starts, one.signatures, out, not first)


def fill_email(
    columns: list[Column], local: tuple[Ints, Hashes], names: list[Column], left: Ints, right: Ints, out: Levels
) -> None:
    """local: where each value's "@" stands, and the signature of what is before it."""
    united = columns[0]
    shared = united.text, united.starts, united.signatures, *local
    given, family = ((name.codes, name.text, name.starts) for name in names)
    for one in columns:
        for two in columns:
            first = one is columns[0] and two is columns[0]
            levels.emails(left, right, one.codes, two.codes, *shared, *given, *family, out, not first)


def fill_line(street: Words, number: Column, left: Ints, right: Ints, out: Levels) -> None:
    numbers = np.zeros(len(left), np.uint8)
    fill_words(street, left, right, out)
    levels.short(left, right, number.codes, number.codes, number.text, number.starts, number.signatures, numbers, False)
    out[:] = _LINE[out, numbers]


def fill_place(code: Column, town: Column, region: Column, left: Ints, right: Ints, out: Levels) -> None:
    parts = []
    for column in (code, town, region):
        part = np.zeros(len(left), np.uint8)
        if column.filled:
            levels.short(
                left, right, column.codes, column.codes, column.text, column.starts, column.signatures, part, False
            )
        parts.append(part)
    out[:] = PLACES[tuple(parts)]


def swap_lines(line: int, unit: int, street: Hashes, other: Hashes, left: Ints, right: Ints, found: Levels) -> None:
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


_LINE, PLACES = _line_table(), _place_table()
