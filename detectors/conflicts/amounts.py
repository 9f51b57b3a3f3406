"""Columns of numbers that may be reckoned with: read at once, and written again in the form of their column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.formats import numbers
from detectors.formats.column import distinct
from detectors.formats.placeholders import is_placeholder
from detectors.roles import IDENTIFYING, Role, ValueType

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_SAMPLE = 5000
_NUMERIC = 0.9
"""Share of filled cells that must read as numbers."""

_LEAST_ROWS = 30
_USED = 0.02
"""Share of the cells from which a number of decimals counts as a way of writing of the column."""

_COUNTED = (Role.AMOUNT, Role.QUANTITY, Role.PROBABILITY, Role.NUMBER)
_UNCOUNTED = (IDENTIFYING - {Role.TEXT, Role.CATEGORY}) | {Role.IGNORE}
_PARTS = re.compile(r"(?P<before>[^\d.,()+\-\u2212]*)[(+\-\u2212]?[^\d.,]*?(?P<digits>\d.*\d|\d|[.,]\d+)(?P<after>\D*)")
_CODE = re.compile(r"\s*(?:[^\W\d_]{0,4}[-_ ]?0\d|\+|[^\W\d_]{1,4}[-_]?\d{4})")
"""Leading zeros, a plus as in phone numbers, letters in front of many digits."""

_MARKS = ",.'\u2019\u00a0\u202f "


@dataclass(frozen=True, slots=True)
class Form:
    """How a column writes its numbers. decimals, least: most and fewest digits behind the sign `decimal`; before,
    after: what stands around them; group: what parts the thousands, "" if nothing does."""

    decimal: str = "."
    decimals: int = 0
    least: int = 0
    group: str = ""
    before: str = ""
    after: str = ""

    @property
    def unit(self) -> float:
        """One of the last decimal that is written."""
        return float(10.0**-self.decimals)

    @property
    def around(self) -> bool:
        """Whether a sign stands before or behind its numbers."""
        return bool(self.before or self.after)

    def write(self, value: float, like: str | None = None) -> str:
        """The number in this form. like: the text that stood there; what stands around its digits is kept."""
        shown = _PARTS.fullmatch(like.strip()) if like else None
        before, after = (shown["before"], shown["after"].strip(")-")) if shown else (self.before, self.after)
        exact = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_UP)
        whole, _, fraction = f"{abs(exact):,f}".partition(".")
        while len(fraction) > self.least and fraction.endswith("0"):
            fraction = fraction[:-1]
        digits = whole.replace(",", self.group) + (self.decimal + fraction if fraction else "")
        return f"{before}{'-' if exact < 0 else ''}{digits}{after}"

    def shown(self, text: str) -> str:
        """A text of this form for a sentence: thousands are parted where the column leaves them together."""
        found = _PARTS.fullmatch(text.strip())
        if not found or self.group or self.decimal == ",":
            return text.strip()
        whole, point, fraction = found["digits"].partition(".")
        return text.strip().replace(found["digits"], f"{int(whole):,}{point}{fraction}") if whole.isdecimal() else text


@dataclass(frozen=True)
class Amounts:
    """One column. values: (n,) numbers, NaN where blank or no number; blank: (n,) cells that hold nothing."""

    name: str
    role: Role
    values: Floats
    blank: Bools
    codes: Ints
    texts: tuple[str, ...]
    form: Form

    @property
    def unit(self) -> float:
        """One of the last decimal that the column writes."""
        return self.form.unit

    @cached_property
    def size(self) -> float:
        """The middle of the column's values, in units of its last decimal."""
        known = np.abs(self.values[np.isfinite(self.values)])
        return float(np.median(known)) / self.unit if len(known) else 0.0

    def text(self, row: int) -> str | None:
        """The cell as it stands; None if blank."""
        code = self.codes[row]
        return None if code < 0 else self.texts[code]

    def rounded(self, values: Floats, *, half_up: bool = False) -> Floats:
        """Values as the column can write them. half_up: a half goes up, as people round; else as computers do."""
        if half_up:
            values = values + np.sign(values) * (1e-9 * np.abs(values) + 1e-6 * self.unit)
        return np.asarray(np.round(values, self.form.decimals))


def in_order(frame: pd.DataFrame) -> Ints:
    """Positions of the rows by record, whatever their order in the frame: what is drawn from it stays the same."""
    return np.argsort(frame.index.to_numpy(), kind="stable")


def evenly(order: Ints, many: int) -> Ints:
    """At most this many of the rows, evenly spaced."""
    return order if len(order) <= many else order[np.linspace(0, len(order) - 1, many).astype(np.int64)]


def amounts(
    frame: pd.DataFrame,
    names: Sequence[str],
    roles: Mapping[str, Role],
    report: Callable[..., None] = lambda *_: None,
) -> list[Amounts]:
    """The columns that hold amounts, quantities and shares; not those of keys, codes, years, dates."""
    sample = evenly(in_order(frame), _SAMPLE)
    found = []
    for done, name in enumerate(names):
        report(done, len(names), "conflicts: numbers")
        one = _read(str(name), frame[name], roles.get(name, Role.TEXT), sample)
        if one is not None:
            found.append(one)
    return found


def _read(name: str, column: pd.Series, role: Role, sample: Ints) -> Amounts | None:
    if role in _UNCOUNTED or role.value_type in (ValueType.KEY, ValueType.DATE):
        return None
    some = [text for text in column.iloc[sample].tolist() if isinstance(text, str) and not is_placeholder(text)]
    decimal = numbers.decimal_sign(tuple(sorted(set(some)))) or "."
    readable = [text for text in some if numbers.read(text.strip(), decimal) is not None]
    if len(some) < min(_LEAST_ROWS, len(sample)) or len(readable) < _NUMERIC * len(some) or not readable:
        return None
    codes, texts = distinct(column)
    values = np.append(_values(texts, decimal), np.nan)
    if _is_code(values, readable, role):
        return None
    blank = np.array([*(is_placeholder(text, role) for text in texts), True], dtype=np.bool_)
    return Amounts(name, role, values[codes], blank[codes], codes, texts, _form(readable, decimal))


def _is_code(values: Floats, readable: Sequence[str], role: Role) -> bool:
    """Digits that only name something (article numbers, years), however well they read as numbers."""
    known = values[~np.isnan(values)]
    if len(known) < 2 or role in _COUNTED:
        return len(known) < 2
    if sum(_CODE.match(text) is not None for text in readable) > 0.01 * len(readable):
        return True
    if (known != np.round(known)).any():
        return False
    years = ((known >= 1900) & (known <= 2100)).mean() >= 0.95
    lengths = Counter(map(len, readable))
    alike = lengths.most_common(1)[0][1] >= 0.9 * len(readable) and max(lengths) >= 5
    all_differ = len(set(readable)) > 0.95 * len(readable)
    dense = len(readable) > 100 and known.max() - known.min() < 1.2 * len(known)
    return bool(years or (all_differ and (alike or dense)))


def _values(texts: Sequence[str], decimal: str) -> Floats:
    """The number of each text, NaN where it is none: in one pass where only digits and separators stand there."""
    group = "," if decimal == "." else "."
    simple = [
        text.replace(group, "").replace(decimal, ".") if group in text and decimal in text else
        "?" if group in text else text.replace(decimal, ".")
        for text in texts
    ]  # fmt: skip
    values: Floats = pd.to_numeric(pd.Series(simple, dtype=object), errors="coerce").to_numpy(dtype=np.float64).copy()
    for position in np.flatnonzero(~np.isfinite(values)).tolist():
        reading = numbers.read(texts[position].strip(), decimal)
        values[position] = float(reading.value) if reading is not None else np.nan
    values[~(np.abs(values) < 1e15)] = np.nan
    return values


def _form(readable: Sequence[str], decimal: str) -> Form:
    parts = [found for found in map(_PARTS.fullmatch, (text.strip() for text in readable)) if found]
    if not parts:
        return Form(decimal)
    behind = Counter(len(one["digits"].rpartition(decimal)[2]) if decimal in one["digits"] else 0 for one in parts)
    used = [count for count, rows in behind.items() if rows >= _USED * len(parts)]
    around = Counter((one["before"], one["after"].strip(")-")) for one in parts).most_common(1)[0][0]
    wholes = [one["digits"].partition(decimal)[0] for one in parts]
    marks = Counter(next((sign for sign in one if sign in _MARKS), "") for one in wholes if len(one) > 3)
    form = Form(decimal, max(used), min(used), marks.most_common(1)[0][0] if marks else "")
    return replace(form, before=around[0], after=around[1])
