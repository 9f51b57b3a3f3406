"""How usual is a number in its column, and how likely has one number become another by a slip?"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from detectors.conflicts.amounts import Amounts, Floats, Ints

_BINS = 160
_WIDTH = 0.5
_POWERS = {1: 0.05, 2: 0.05, 3: 0.02}
_MOST_DIGITS = 15
_MOST_USUAL = 30.0
"""Amounts have long tails: how rare a value is says no more than this about its being wrong."""

_FEW, _FEW_SHARE = 10, 0.02
_FAR, _RARELY_FAR = 5.0, 0.03
"""What lies so many times beyond nearly all others is so much less likely meant."""


class Usual:
    """The values of a column: how many rows hold each, and how the column spreads over sizes."""

    def __init__(self, column: Amounts) -> None:
        self.unit = column.unit
        known = column.values[np.isfinite(column.values)]
        self.values, self.counts = np.unique(np.round(known / self.unit), return_counts=True)
        self.rows = len(known)
        self.far = _FAR * float(np.quantile(np.abs(known), 0.995)) if len(known) else 0.0
        held = np.bincount(self._bin(known), minlength=2 * _BINS + 1).astype(np.float64)
        smooth = np.convolve(held, [0.25, 0.5, 0.25], mode="same") + 0.1
        self.spread = smooth / smooth.sum()

    def rows_of(self, values: Floats) -> Ints:
        """(n,) rows of the column that hold each."""
        wanted = np.round(values / self.unit)
        at = np.minimum(self.values.searchsorted(wanted), len(self.values) - 1)
        return np.where(self.values[at] == wanted, self.counts[at], 0)

    def possible(self, values: Floats) -> npt.NDArray[np.bool_]:
        """(n,) whether the column could hold each: of a sign that it has, and where it has few values, one of them."""
        fits = (values >= 0) | (int(self.counts[self.values < 0].sum()) >= 0.005 * self.rows)
        if len(self.values) <= max(_FEW, _FEW_SHARE * self.rows):
            fits &= self.rows_of(values) >= 2
        return np.asarray(fits)

    def mass(self, values: Floats, own: int = 0) -> Floats:
        """(n,) probability of exactly this value; own: rows to leave out, of those that hold it."""
        seen = np.maximum(self.rows_of(values) - own - 0.75, 0) / self.rows
        return np.asarray(0.9 * seen + 0.1 * self.spread[self._bin(values)] / self._lattice(values))

    def ratio(self, meant: Floats, held: Floats) -> Floats:
        """(n,) how much more usual one value is than the one that stands there, the row itself left out."""
        ratio = np.clip(self.mass(meant) / self.mass(held, own=1), 1 / _MOST_USUAL, _MOST_USUAL)
        return np.asarray(np.where(np.abs(meant) > self.far, _RARELY_FAR * ratio, ratio))

    @property
    def anything(self) -> float:
        """Probability of one value where an error makes anything of it: by how many numbers the column can write."""
        middle = np.median(np.repeat(np.abs(self.values), self.counts)) if self.rows else 0.0
        return float(0.01 / self._lattice(np.array([middle * self.unit]))[0])

    def slips(self, held: Floats, meant: Floats, rounded: npt.NDArray[np.bool_]) -> Floats:
        """(n,) probability that a slip of the fingers, of the decimal point or of the sign made one of the other.

        rounded: where what is meant is known but for its rounding.
        """
        chance = np.where(held == -meant, 0.02, 0.0)
        for power, share in _POWERS.items():
            for factor in (10.0**power, 10.0**-power):
                slack = 0.51 * self.unit * (1 + factor * rounded)
                chance = np.maximum(chance, np.where(np.abs(held - meant * factor) <= slack, share, 0.0))
        pairs = zip(np.round(held / self.unit).tolist(), np.round(meant / self.unit).tolist(), strict=True)
        return np.asarray(np.maximum(chance, np.array([digits_slip(*pair) for pair in pairs])))

    def _bin(self, values: Floats) -> Ints:
        size = np.log2(1 + np.abs(values) / self.unit) / _WIDTH
        return np.asarray(_BINS + np.sign(values) * np.minimum(size, _BINS - 1), dtype=np.int64)

    def _lattice(self, values: Floats) -> Floats:
        """(n,) how many numbers of this size the column can write."""
        return np.asarray(np.maximum(1.0, (1 + np.abs(values) / self.unit) * np.log(2) * _WIDTH))


def digits_slip(held: float, meant: float) -> float:
    """Probability that whole numbers of so many digits differ so: one digit other, two exchanged, one lost or added."""
    one, other = f"{abs(held):.0f}", f"{abs(meant):.0f}"
    if max(len(one), len(other)) > _MOST_DIGITS or one == other:
        return 0.0
    if len(one) == len(other):
        differ = [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        if len(differ) == 1:
            return 0.1 / (9 * len(one))
        exchanged = len(differ) == 2 and differ[1] == differ[0] + 1 and Counter(one) == Counter(other)
        return 0.05 / len(one) if exchanged else 0.0
    short, long = sorted((one, other), key=len)
    lost = len(long) == len(short) + 1 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
    return 0.02 / len(long) if lost else 0.0
