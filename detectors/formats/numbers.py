"""Numbers as people write them: separators of two conventions, units, currency signs, brackets, per cent."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from detectors.formats.column import Column, Remark, Remarks
from detectors.roles import Role

_NUMBER = re.compile(
    r"""\s*(?P<open>\()?\s*(?P<before>[^\d.,()+-]{0,6}?)\s*(?P<sign>[+\u2212-]?)\s*(?P<before2>[^\d.,()+-]{0,4}?)
    (?P<digits>\d[\d.,'\u2019\u00a0\u202f\ ]*\d|\d|[.,]\d+)(?P<power>[eE][+-]?\d{1,3})?
    \s*(?P<after>[^\d()]{0,16}?)\s*(?P<close>\))?(?P<trail>-)?\s*""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"\d{1,3}(?:(?P<mark>[.,'\u2019\u00a0\u202f ])\d{3})(?:(?P=mark)\d{3})*(?:[.,]\d+)?")
_SCALES = {
    "k": 1000, "tsd": 1000, "tsd.": 1000, "m": 10**6, "mm": 10**6, "mn": 10**6, "mio": 10**6, "mio.": 10**6,
    "million": 10**6, "millions": 10**6, "bn": 10**9, "mrd": 10**9, "mrd.": 10**9, "billion": 10**9,
}  # fmt: skip
_LONGEST = 60
_NOISE = re.compile(r"\d*\.\d{0,14}?(?:0{6,}\d{1,3}|9{6,}\d{1,3})")

LIMITS: dict[Role, tuple[float, float]] = {
    Role.AGE: (0, 125),
    Role.PROBABILITY: (0, 100),
    Role.QUANTITY: (0, float("inf")),
}
"""Least and greatest believable value by role."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A number read from text. unit: what stood around it, lower case ("oz", "$", "%"); "" if nothing did."""

    value: Decimal
    unit: str = ""
    ambiguous: bool = False


def read(text: str, decimal: str = "") -> Reading | None:
    """The number a text holds, or None.

    decimal: "." or "," where the column's convention is known. Without it one separator followed by exactly
    three digits ("1,234") is read by the commoner use, as thousands for "," and as decimals for ".", and
    marked ambiguous.
    """
    if len(text) > _LONGEST:
        return None
    if _PLAIN.fullmatch(text) and decimal != ",":
        return _reading(text, "", ambiguous=bool(re.fullmatch(r"[+-]?\d{1,3}\.\d{3}", text)) and not decimal)
    match = _NUMBER.fullmatch(text)
    if not match or bool(match["open"]) != bool(match["close"]):
        return None
    digits, ambiguous = _without_groups(match["digits"].strip(), decimal)
    if digits is None:
        return None
    unit = " ".join(part for part in (match["before"] + match["before2"], match["after"]) if part).strip().lower()
    negative = bool(match["open"]) or bool(match["trail"]) or match["sign"] in {"-", "\u2212"}
    return _reading(("-" if negative else "") + digits + (match["power"] or ""), unit, ambiguous=ambiguous)


def _reading(digits: str, unit: str, *, ambiguous: bool) -> Reading | None:
    try:
        value = Decimal(digits)
    except InvalidOperation:
        return None
    sign, _, scale = unit.rpartition(" ")
    if scale in _SCALES:
        return Reading(value * _SCALES[scale], sign, ambiguous)
    return Reading(value, unit, ambiguous)


def _without_groups(digits: str, decimal: str) -> tuple[str | None, bool]:
    """Digits with "." as decimal sign and no grouping, and whether another reading was as good."""
    digits = re.sub(r"['\u2019\u00a0\u202f ](?=\d{3}(?:\D|$))", "", digits)
    if re.search(r"[^\d.,]", digits):
        return None, False
    marks = Counter(sign for sign in digits if sign in ".,")
    if not marks:
        return digits, False
    last = digits[max(digits.rfind("."), digits.rfind(","))]
    if len(marks) == 2:
        other = "," if last == "." else "."
        whole, _, fraction = digits.rpartition(last)
        sound = marks[last] == 1 and re.fullmatch(rf"\d{{1,3}}(?:{re.escape(other)}\d{{3}})+", whole)
        return (f"{whole.replace(other, '')}.{fraction}", False) if sound else (None, False)
    grouped = re.fullmatch(rf"\d{{1,3}}(?:{re.escape(last)}\d{{3}})+", digits) and not digits.startswith("0")
    if marks[last] > 1:
        return (digits.replace(last, ""), False) if grouped else (None, False)
    if not grouped or last == decimal:
        return digits.replace(last, "."), False
    if decimal:
        return digits.replace(last, ""), False
    return (digits.replace(",", "") if last == "," else digits), True


def decimal_sign(values: tuple[str, ...]) -> str:
    """The column's decimal sign, "." or ",", by the values with one reading only; "" if none tells."""
    votes: Counter[str] = Counter()
    for value in values:
        digits = re.sub(r"[^\d.,]", "", value[:_LONGEST]).strip(".,")
        marks = {sign for sign in digits if sign in ".,"}
        if not marks:
            continue
        last = digits[max(digits.rfind("."), digits.rfind(","))]
        behind = len(digits) - 1 - digits.rfind(last)
        if len(marks) == 2:
            votes[last] += 1
        elif digits.count(last) > 1:
            votes["," if last == "." else "."] += 1
        elif behind != 3 or digits.startswith("0"):
            votes[last] += 1
    if not votes:
        return ""
    sign, count = votes.most_common(1)[0]
    return sign if count >= 0.9 * votes.total() else ""


def is_valid(text: str, role: Role = Role.NUMBER) -> bool:
    """Whether the text holds one number, within the role's limits where it has some."""
    reading = read(text.strip())
    if reading is None:
        return False
    low, high = LIMITS.get(role, (float("-inf"), float("inf")))
    return low <= float(reading.value) <= high


def plain(value: Decimal) -> str:
    """A number as digits with "." and without exponent or needless zeros behind the point removed."""
    return f"{value:f}"


def remarks(column: Column) -> Remarks:
    """Plain digits instead of separators, units and signs; ask about what is no number or cannot be true."""
    decimal = decimal_sign(column.values)
    readings = [read(value, decimal) for value in column.values]
    units = Counter[str]()
    for reading, count in zip(readings, column.counts, strict=True):
        if reading is not None:
            units[reading.unit] += int(count)
    usual, leading = units.most_common(1)[0] if units else ("", 0)
    sure = leading / max(1, units.total())
    found = {}
    for position, (value, reading) in enumerate(zip(column.values, readings, strict=True)):
        remark = _remark(value, reading, usual, sure, column.role)
        if remark is not None:
            found[position] = remark
    return found


def _remark(text: str, reading: Reading | None, usual: str, sure: float, role: Role) -> Remark | None:
    if reading is None:
        return Remark("number-invalid", 0.7, f'"{text[:80]}" is no number.')
    low, high = LIMITS.get(role, (float("-inf"), float("inf")))
    if not low <= reading.value <= high:
        return Remark("number-range", 0.8, f"{plain(reading.value)} is outside {low:g} to {high:g}.")
    if reading.unit and reading.unit != usual and sure > 0.5 and usual:
        return Remark("number-unit", 0.5, f'Most rows are in "{usual}", this one in "{reading.unit}".')
    proposed = _denoised(plain(reading.value))
    as_it_stands = _PLAIN.fullmatch(text) and float(text) == float(reading.value)
    if proposed == text or (as_it_stands and proposed == plain(reading.value)):
        return None
    if reading.ambiguous:
        return Remark("number-separator", 0.3, f'"{text}" can be read in two ways; here as {proposed}.', proposed)
    if proposed != plain(reading.value):
        return Remark("number-noise", 0.8, f"Digits left by a computer's rounding; it was {proposed}.", proposed)
    if reading.unit:
        score = 0.5 + 0.4 * sure if not usual else 0.45
        return Remark("number-sign", score, f'The number without "{reading.unit}".', proposed)
    return Remark("number-separator", 0.85, f"Plain digits: {proposed}.", proposed)


def _denoised(digits: str) -> str:
    """0.08199999999999999 -> 0.082: fifteen significant digits are all a double can hold."""
    if not _NOISE.fullmatch(digits.lstrip("-")) or len(digits.replace(".", "").lstrip("-0")) < 15:
        return digits
    return plain(Decimal(repr(float(f"{float(digits):.14g}"))))
