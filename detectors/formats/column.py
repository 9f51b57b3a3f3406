"""What every format rule is given (a column's distinct values) and what it answers (remarks on some)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.roles import Role

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Remark:
    """What a rule has to say about one value.

    rule: stable name; acceptance is learned a rule.
    score: how probable it is that a steward would accept, in [0, 1].
    detail: the reason, a sentence.
    value: the text proposed instead; None if nothing can be proposed and someone should look.
    empties: True if the proposal is to empty the field.
    """

    rule: str
    score: float
    detail: str
    value: str | None = None
    empties: bool = False

    @property
    def proposes(self) -> bool:
        """Whether it names what should stand there; otherwise it only asks someone to look."""
        return self.empties or self.value is not None


@dataclass(frozen=True, slots=True)
class Column:
    """The distinct values of a column, or of the part of it that shares one key.

    role: what the column means.
    values: its distinct filled texts.
    counts: (n,) how many rows hold each.
    key: the country (ISO alpha-2) or source that these rows share; "" if unknown or not split.
    whole: the column this is a part of; itself taken alone if None.
    """

    role: Role
    values: tuple[str, ...]
    counts: Ints
    key: str = ""
    whole: Column | None = None

    def share(self, keeps: Callable[[str], bool]) -> float:
        """Share of filled rows whose value `keeps` is true of; 0 for an empty column."""
        total = int(self.counts.sum())
        kept = sum(int(count) for value, count in zip(self.values, self.counts, strict=True) if keeps(value))
        return kept / total if total else 0.0


Remarks = Mapping[int, Remark]
"""Position in `Column.values` -> the remark on it; values without a remark are left out."""

Check = Callable[[Column], Remarks]


def each(remark: Callable[[str], Remark | None]) -> Check:
    """A check that looks at every distinct value alone."""

    def check(column: Column) -> Remarks:
        remarks = ((position, remark(value)) for position, value in enumerate(column.values))
        return {position: found for position, found in remarks if found is not None}

    return check


def distinct(series: pd.Series) -> tuple[Ints, tuple[str, ...]]:
    """A text column as codes (-1 = blank) and its distinct texts, blank = missing or only white space."""
    codes, values = pd.factorize(series.to_numpy(dtype=object), use_na_sentinel=True)
    texts = tuple(str(value) for value in values)
    blank = np.array([not text.strip() for text in texts], dtype=bool)
    codes = codes.astype(np.int64)
    if blank.any():
        codes[np.append(blank, False)[codes]] = -1
    return codes, texts


def spread(codes: Ints, flags: Bools) -> Bools:
    """Flags of distinct values as flags of rows; blank rows (-1) are False."""
    return np.append(flags, False)[codes]
