"""What one number of a record is reckoned from: a product of columns, and columns added to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from detectors.conflicts.amounts import Amounts, Floats

Get = Callable[[str], Floats]
"""Column name -> its values in the rows asked about."""

TIMES, OVER, LESS, MORE, LESS_SHARE, MORE_SHARE = "times", "over", "less", "more", "less share", "more share"
_SCALE = {LESS: -100.0, MORE: 100.0, LESS_SHARE: -1.0, MORE_SHARE: 1.0}
"""Kinds of factor 1 + x / scale: a discount or a surcharge, in per cent or as a share of one."""

HALF, WHOLE, SPREAD, WIDE = 0, 1, 2, 3
"""Tolerances: half a unit of the last decimal (rounded once); one (twice); as far as the rounding of those parts goes
that have decimals (a quantity or a per cent in whole numbers is exact); as far as that of any part goes."""

_COUNTS = 100
"""Whole numbers below this, in the middle, count pieces or per cents; larger ones may be amounts without cents."""


@dataclass(frozen=True, slots=True)
class Formula:
    """target = rate * factors + addends.

    factors: (kind, column); addends: (sign, column). tolerance: HALF, WHOLE, SPREAD or WIDE.
    """

    target: str
    factors: tuple[tuple[str, str], ...]
    addends: tuple[tuple[int, str], ...] = ()
    rate: float = 1.0
    tolerance: int = HALF

    @property
    def parts(self) -> tuple[str, ...]:
        """What the target is reckoned from."""
        return (*(name for _, name in self.factors), *(name for _, name in self.addends))

    @property
    def optional(self) -> frozenset[str]:
        """The parts that may be nought: what is added, discounts and surcharges."""
        return frozenset(
            (*(name for kind, name in self.factors if kind in _SCALE), *(name for _, name in self.addends))
        )

    @property
    def columns(self) -> frozenset[str]:
        """All columns that it speaks of."""
        return frozenset((self.target, *self.parts))

    def value(self, get: Get) -> Floats:
        """(n,) what the target should be; NaN where a part is blank."""
        found = self._product(get)
        for sign, name in self.addends:
            found = found + sign * get(name)
        return np.asarray(found)

    def solved(self, part: str, get: Get) -> Floats:
        """(n,) what this column should hold by the others; NaN or infinite where they do not tell."""
        if part == self.target:
            return self.value(get)
        rest = get(self.target) - sum(sign * get(name) for sign, name in self.addends if name != part)
        with np.errstate(all="ignore"):
            for sign, name in self.addends:
                if name == part:
                    return np.asarray(sign * (rest - self._product(get)))
            kind = next(kind for kind, name in self.factors if name == part)
            others = replace(self, factors=tuple(one for one in self.factors if one[1] != part))
            needed = rest / others._product(get)
            if kind == TIMES:
                return np.asarray(needed)
            return np.asarray(1 / needed if kind == OVER else (needed - 1) * _SCALE[kind])

    def slack(self, get: Get, columns: Mapping[str, Amounts]) -> Floats:
        """(n,) how far the target may lie from the value by rounding alone."""
        value = self.value(get)
        unit = columns[self.target].unit
        slack = np.full(len(value), unit * (1.01 if self.tolerance == WHOLE else 0.51))
        if self.tolerance >= SPREAD:
            for name in self._rounded(columns):
                moved = self.value(lambda one, name=name: get(one) + (columns[one].unit / 2 if one == name else 0))  # type: ignore[misc]
                slack = slack + np.abs(moved - value)
        return np.asarray(slack + 1e-9 * np.abs(value))

    def _rounded(self, columns: Mapping[str, Amounts]) -> list[str]:
        whole = {name for _, name in self.factors if columns[name].form.decimals == 0 and columns[name].size < _COUNTS}
        return [name for name in self.parts if self.tolerance == WIDE or name not in whole]

    def holds(self, get: Get, columns: Mapping[str, Amounts]) -> Floats:
        """(n,) 1 where it holds, -1 where it is broken, 0 where it cannot be told."""
        with np.errstate(all="ignore"):
            value, target = self.value(get), get(self.target)
            told = np.isfinite(value) & np.isfinite(target)
            kept = np.abs(value - target) <= self.slack(get, columns)
        return np.where(told, np.where(kept, 1.0, -1.0), 0.0)

    def _product(self, get: Get) -> Floats:
        found: Floats | float = self.rate
        with np.errstate(all="ignore"):
            for kind, name in self.factors:
                found = found * factor(kind, get(name))
        return np.asarray(found)

    def __str__(self) -> str:
        said = "".join(_SIGNS[kind].format(name) for kind, name in self.factors)
        said = said.removeprefix(" * ") if self.rate == 1 else f"{self.rate:g}{said}"
        return f"{self.target} = {said}" + "".join(f" {'+' if sign > 0 else '-'} {name}" for sign, name in self.addends)

    def words(self, text: Callable[[str], str | None] = lambda name: None) -> str:
        """The reckoning in words. text: column -> what the record holds there: "less 15 %"; nothing is less 0 %."""
        said = ""
        for kind, name in self.factors:
            held = (text(name) or "").strip(" %")
            if kind not in (LESS, MORE) or not held:
                said += _WORDS[kind].format(name)
            elif held.strip("0.,"):
                said += _WORDS[kind].format(f"{held} % ({name})")
        said = said.removeprefix(" times ")
        if self.rate != 1:
            said = f"{self.rate * 100:.6g} % of {said}" if self.rate < 1 else f"{self.rate:.6g} times {said}"
        return said + "".join(f" {'plus' if sign > 0 else 'minus'} {name}" for sign, name in self.addends)


_SIGNS = {
    TIMES: " * {}", OVER: " / {}", LESS: " * (1 - {}/100)", MORE: " * (1 + {}/100)",
    LESS_SHARE: " * (1 - {})", MORE_SHARE: " * (1 + {})",
}  # fmt: skip
_WORDS = {
    TIMES: " times {}", OVER: " divided by {}", LESS: " less {}", MORE: " plus {}",
    LESS_SHARE: " less the share {}", MORE_SHARE: " plus the share {}",
}  # fmt: skip


def factor(kind: str, values: Floats) -> Floats:
    """What a column of this kind multiplies by."""
    if kind == TIMES:
        return values
    return np.asarray(1 / values if kind == OVER else 1 + values / _SCALE[kind])
