"""Which columns go together: the strength of each pair, whatever their types, and which are blank together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST = 30
"""Rows in which both of a pair are filled, for a strength to be told."""


@dataclass(frozen=True)
class Measured:
    """A column as numbers (NaN where missing), or as codes of its categories (-1 where missing)."""

    name: str
    numbers: Floats | None = None
    codes: Ints | None = None


def strength(one: Measured, other: Measured) -> tuple[float, str] | None:
    """How strongly two columns go together, in [-1, 1], and by which measure; None where too little is known.

    Two numbers: Spearman's rank correlation, signed. Two categories: Cramér's V, corrected for bias. A number and a
    category: the correlation ratio of the number's ranks (the root of the share of variance between the categories),
    corrected for the number of categories.

    Sources: Spearman 1904; Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", 2013; Fisher 1925 with
    Kelley's correction, 1935.
    """
    if one.numbers is not None and other.numbers is not None:
        return _spearman(one.numbers, other.numbers)
    if one.codes is not None and other.codes is not None:
        return _cramer(one.codes, other.codes)
    numbers, codes = (one.numbers, other.codes) if one.numbers is not None else (other.numbers, one.codes)
    assert numbers is not None
    assert codes is not None
    return _ratio(numbers, codes)


def _spearman(one: Floats, other: Floats) -> tuple[float, str] | None:
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < FEWEST:
        return None
    left, right = rankdata(one[known]), rankdata(other[known])
    if not left.std() or not right.std():
        return None
    return float(np.corrcoef(left, right)[0, 1]), "rank correlation"


def _cramer(one: Ints, other: Ints) -> tuple[float, str] | None:
    known = (one >= 0) & (other >= 0)
    count = int(known.sum())
    if count < FEWEST:
        return None
    _, left = np.unique(one[known], return_inverse=True)
    _, right = np.unique(other[known], return_inverse=True)
    rows, columns = int(left.max()) + 1, int(right.max()) + 1
    if rows < 2 or columns < 2:
        return None
    table = np.bincount(left * columns + right, minlength=rows * columns).reshape(rows, columns).astype(np.float64)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / count
    phi = float(((table - expected) ** 2 / expected).sum()) / count
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (count - 1))
    least = min(rows - (rows - 1) ** 2 / (count - 1), columns - (columns - 1) ** 2 / (count - 1)) - 1
    return (min(1.0, float(np.sqrt(phi / least))), "Cramér's V") if least > 0 else None


def _ratio(numbers: Floats, codes: Ints) -> tuple[float, str] | None:
    known = np.isfinite(numbers) & (codes >= 0)
    count = int(known.sum())
    if count < FEWEST:
        return None
    ranks = rankdata(numbers[known])
    _, group = np.unique(codes[known], return_inverse=True)
    groups = int(group.max()) + 1
    whole = float(((ranks - ranks.mean()) ** 2).sum())
    if groups < 2 or not whole or count <= groups:
        return None
    sizes = np.bincount(group)
    means = np.bincount(group, ranks) / sizes
    within = whole - float((sizes * (means - ranks.mean()) ** 2).sum())
    share = 1 - within / (count - groups) / (whole / (count - 1))
    return float(np.sqrt(max(0.0, share))), "correlation ratio"


def blank_together(patterns: dict[bytes, int], columns: int) -> Floats:
    """(columns, columns) share of the rows blank in the one in which the other is blank too; NaN where none is.

    patterns: packed bits of which columns are blank -> rows.
    """
    both = np.zeros((columns, columns))
    for pattern, count in patterns.items():
        blank = np.unpackbits(np.frombuffer(pattern, np.uint8), count=columns).astype(np.float64)
        both += count * np.outer(blank, blank)
    own = np.diag(both)[:, None]
    return np.divide(both, own, out=np.full_like(both, np.nan), where=own > 0)
