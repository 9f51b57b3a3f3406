"""Does a spelling keep the company that its rows keep? "Pine" in Arizona is no slip of "Pune", whose rows are in India.

A rare spelling near a common one is a slip only if its row could be one of the common one's rows. What those rows have
in common is read off the other columns: where nearly all of them hold the same value, a row that holds another there is
not one of them, unless a second such column speaks for it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.conflicts.table import Field, Ints, Table

_LEAST_ROWS = 4
_TOGETHER = 0.9
"""Share of a spelling's filled rows that hold the same in another column for that to be what they have in common."""
_TELLING = 0.2
"""A value in a larger share of the table's rows says nothing for a row that holds it."""


def keeps_company(table: Table, field: Field) -> Callable[[int, str], bool]:
    """Whether a row could hold this spelling of the field, by what the spelling's rows hold in the other columns.

    True where they have nothing in common, where they are fewer than four, and for a spelling the column lacks.
    """
    others = [other for other in table.fields if other.name != field.name]
    code_of = {text: code for code, text in enumerate(field.texts)}
    order = np.argsort(field.keys, kind="stable")
    starts = np.searchsorted(field.keys[order], np.arange(len(field.usual) + 1))
    everywhere = [np.bincount(other.keys[other.keys >= 0], minlength=len(other.usual)) for other in others]
    shared: dict[int, list[tuple[Field, int, bool]]] = {}

    def in_common(key: int) -> list[tuple[Field, int, bool]]:
        rows = order[starts[key] : starts[key + 1]]
        held = [
            (other, _held_by_all(other.keys[rows]), counts) for other, counts in zip(others, everywhere, strict=True)
        ]
        return [(other, one, counts[one] <= _TELLING * table.rows) for other, one, counts in held if one >= 0]

    def fits(row: int, value: str) -> bool:
        code = code_of.get(value)
        if code is None:
            return True
        key = int(field.meaning[code])
        if key not in shared:
            shared[key] = in_common(key)
        filled = [(other.keys[row] == held, telling) for other, held, telling in shared[key] if other.keys[row] >= 0]
        return all(same for same, _ in filled) or any(same and telling for same, telling in filled)

    return fits


def _held_by_all(keys: Ints) -> int:
    """What nearly all of these cells hold, -1 where nothing: (rows,) meanings, -1 = blank."""
    keys = keys[keys >= 0]
    if len(keys) < _LEAST_ROWS:
        return -1
    values, counts = np.unique(keys, return_counts=True)
    most = int(counts.argmax())
    return int(values[most]) if counts[most] >= _TOGETHER * len(keys) else -1
