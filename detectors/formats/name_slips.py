"""Given names that nobody has, one slip of the fingers from one that many have: "Christopehr", "Josjua".

What a slip is: `typing_slips.py`. Of 457 given names of physicians that stand once and in no census, one ("Andreea")
is taken for a slip.
"""

from __future__ import annotations

from detectors.formats.column import Column, Remark, Remarks
from detectors.formats.known_names import KnownNames, folded, given_names
from detectors.formats.typing_slips import meanings

_COMMON, _SHORTEST = 8, 5
"""Rows and letters of a name from which on another is taken for a slip of it."""
_SCORE = 0.75


def slips(column: Column) -> Remarks:
    """Names in one row and no census that are one slip from a single common one."""
    texts = list(zip(column.values, column.counts.tolist(), strict=True))
    known = KnownNames.of(texts, given_names())
    meant = meanings(name for name, rows in known.rows.items() if rows >= _COMMON and len(name) >= _SHORTEST)
    found = {}
    for position, (value, rows) in enumerate(texts):
        name = folded(value)
        right = meant.get(name)
        if rows == 1 and right and value.isalpha() and not known.has(name, own=1):
            proposed = known.write(right, value)
            why = f"{known.rows[right]} rows have {proposed}, this one alone {value}."
            found[position] = Remark("name-slip", _SCORE, why, proposed)
    return found
