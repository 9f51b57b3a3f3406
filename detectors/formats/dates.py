"""Dates: the order of day and month is decided a column and source, never a value at a time.

"03/04/2024" alone can be read in two ways, but a column's values above 12 tell which place holds the day. The
evidence is counted for each separator and width of the year apart, since exports mix ("3/4/24" typed by one
program, "03-04-2024" by another). What stays ambiguous is marked so, and goes to a person.

Tried and rejected: value-by-value parsers (pandas, dateutil, dateparser read 8 to 21 % of such columns
wrongly); `errors="coerce"`, which loses what it cannot read without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from detectors.formats.column import Column, Remark, Remarks
from detectors.roles import Role

_ZONE = r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_CLOCK = rf"\d{{1,2}}[:.h]\d{{2}}(?::\d{{2}}(?:[.,]\d{{1,9}})?)?\s*(?:[AaPp]\.?[Mm]\.?)?\s*{_ZONE}"
_TIME = rf"(?:(?:T|,?\s+|\s*-\s+)(?P<time>{_CLOCK}))?"
_ISO = re.compile(rf"(?P<y>\d{{4}})(?P<s>[-/. ])(?P<m>\d{{1,2}})(?P=s)(?P<d>\d{{1,2}}){_TIME}")
_NUMERIC = re.compile(rf"(?P<a>\d{{1,2}})(?P<s>[-/. ])\s?(?P<b>\d{{1,2}})(?P=s)\s?(?P<y>\d{{4}}|'?\d{{2}}){_TIME}")
_COMPACT = re.compile(r"(?P<y>(?:1[89]|20)\d{2})(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])")
_DAY_NAME = r"(?:[^\W\d_]{2,10}\.?,?\s+)?"
_MONTH_NAME = r"(?P<m>[^\W\d_]{3,10})\.?,?"
_DAY_MONTH = re.compile(
    rf"{_DAY_NAME}(?P<d>\d{{1,2}})(?:st|nd|rd|th|º|er|\.)?[-/. ]+(?:(?:of|de|di)\s+)?{_MONTH_NAME}"
    rf"[-/. ]+(?:(?:de|del)\s+)?(?P<y>\d{{4}}|'?\d{{2}}){_TIME}"
)
_MONTH_DAY = re.compile(
    rf"{_DAY_NAME}{_MONTH_NAME}[-/. ]+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[-/. ]+(?P<y>\d{{4}}|'\d{{2}}){_TIME}"
)
_YEAR_MONTH_DAY = re.compile(rf"(?P<y>\d{{4}})[-/. ]+(?P<m>[^\W\d_]{{3,10}})\.?[-/. ]+(?P<d>\d{{1,2}}){_TIME}")
_WORDED = (_DAY_MONTH, _MONTH_DAY, _YEAR_MONTH_DAY)
_EPOCH = re.compile(r"[12]\d{9}(?:\d{3})?")
_SERIAL = re.compile(r"[2-5]\d{4}(?:\.\d+)?")
_CANONICAL = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_LONGEST = 60

MONTHS: Final[Mapping[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero gennaio janeiro januari jänner ene gen janv",
            "feb february februar février fevrier febrero febbraio fevereiro februari fév fev févr",
            "mar march märz maerz mars marzo março marco maart mär mrz mrt",
            "apr april avril abril aprile avr abr",
            "may mai mayo maggio maio mei mag",
            "jun june juni juin junio giugno junho giu juin",
            "jul july juli juillet julio luglio julho lug juil",
            "aug august août aout agosto augustus ago aoû",
            "sep sept september septembre septiembre settembre setembro set",
            "oct october oktober octobre octubre ottobre outubro okt ott out",
            "nov november novembre noviembre novembro",
            "dec december dezember décembre decembre diciembre dicembre dezembro dez dic déc",
        ),
        start=1,
    )
    for name in names.split()
}

DAY_FIRST: Final = "day first"
MONTH_FIRST: Final = "month first"
TOLERATED = 0.05
"""Share of values against the column's order up to which they are strays and the order still stands."""

_SERIAL_EPOCH = date(1899, 12, 30)


@dataclass(frozen=True, slots=True)
class Parts:
    """One text taken apart. a, b: the two numbers whose order is open; equal to day and month otherwise."""

    year: int
    a: int
    b: int
    group: str
    time: str = ""

    @property
    def is_open(self) -> bool:
        """Whether day and month could change places: both readings exist and differ."""
        return bool(self.group) and self.a <= 12 and self.b <= 12 and self.a != self.b


@dataclass(frozen=True, slots=True)
class Reading:
    """A date as read. sure: probability that day and month are not swapped; 1 where there is one reading."""

    day: date
    time: str = ""
    sure: float = 1.0

    @property
    def iso(self) -> str:
        """ISO 8601, with the time where there is one."""
        return f"{self.day.isoformat()}T{self.time}" if self.time else self.day.isoformat()


def take_apart(text: str, *, past: bool = False) -> Parts | None:
    """Day, month and year of a text, the order still open; None if it holds no date.

    past: two-digit years are read as the latest year that is not in the future (dates of birth); otherwise
        69 to 99 as 19xx and 00 to 68 as 20xx (POSIX strptime).
    """
    if len(text) > _LONGEST:
        return None
    text = text.strip()
    match = _NUMERIC.fullmatch(text)
    if match:
        group = f"{match['s']}{len(match['y'].strip(chr(39)))}"
        return _parts(match, match["y"], int(match["a"]), int(match["b"]), group, past=past)
    match = _ISO.fullmatch(text) or _COMPACT.fullmatch(text)
    if match:
        return _parts(match, match["y"], int(match["d"]), int(match["m"]), "", past=past)
    for pattern in _WORDED:
        match = pattern.fullmatch(text)
        month = MONTHS.get(match["m"].lower()) if match else None
        if match and month:
            return _parts(match, match["y"], int(match["d"]), month, "", past=past)
    return None


def _parts(match: re.Match[str], year: str, a: int, b: int, group: str, *, past: bool) -> Parts:
    time = match["time"] if "time" in match.re.groupindex else None
    return Parts(_whole_year(year.strip("'"), past=past), a, b, group, _time(time) if time else "")


def _whole_year(digits: str, *, past: bool) -> int:
    if len(digits) == 4:
        return int(digits)
    year = int(digits)
    pivot = date.today().year % 100 if past else 68
    return year + (2000 if year <= pivot else 1900)


def _time(text: str) -> str:
    """A time of day as hh:mm[:ss], 24 hours, with its offset; "" if there is none or it cannot be."""
    match = re.match(
        r"(\d{1,2})[:.h](\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*([AaPp])?[.Mm]*\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?",
        text,
    )
    if not match:
        return ""
    hour, minute, second, half, zone = match.groups()
    clock = int(hour) % 12 + (12 if half in "Pp" else 0) if half else int(hour)
    if clock > 23 or int(minute) > 59:
        return ""
    zone = {"UTC": "Z", "GMT": "Z"}.get(zone, zone or "")
    return f"{clock:02d}:{minute}" + (f":{second.replace(',', '.')}" if second else "") + zone


@dataclass(frozen=True, slots=True)
class Orders:
    """Which order a column's dates are in. day_first: group -> probability; "" is the whole column's."""

    day_first: Mapping[str, float]

    def sure(self, group: str) -> float:
        """Probability that the day comes first in this group, by its own evidence, else by the column's."""
        return self.day_first.get(group, self.day_first.get("", 0.5))


def decide_orders(parts: list[Parts | None], counts: np.ndarray, *, beyond: Orders | None = None) -> Orders:
    """Count, for each group of texts, the values above 12 in first and in second place.

    counts: rows of each. beyond: what the whole column says, used where these rows tell nothing.
    """
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for position in np.flatnonzero(counts).tolist():
        part, count = parts[position], counts[position]
        if part is None or not part.group:
            continue
        if part.a > 12 >= part.b:
            first[part.group] += int(count)
        elif part.b > 12 >= part.a:
            second[part.group] += int(count)
    first[""], second[""] = first.total(), second.total()
    decided = {
        group: _probability(first[group], second[group]) for group in {*first, *second} if first[group] + second[group]
    }
    return Orders({**(dict(beyond.day_first) if beyond and "" not in decided else {}), **decided})


def _probability(day_first: int, month_first: int) -> float:
    """Posterior mean of the share of day-first values, with half a value of each seen before."""
    return (day_first + 0.5) / (day_first + month_first + 1)


def resolve(parts: Parts | None, orders: Orders) -> Reading | None:
    """The date in the column's order; None if there is none in either order."""
    if parts is None:
        return None
    day_first = orders.sure(parts.group) if parts.group else 1.0
    readings = (
        ((parts.a, parts.b), (parts.b, parts.a)) if day_first >= 0.5 else ((parts.b, parts.a), (parts.a, parts.b))
    )
    for day, month in readings if parts.group else readings[:1]:
        try:
            found = date(parts.year, month, day)
        except ValueError:
            continue
        return Reading(found, parts.time, max(day_first, 1 - day_first) if parts.is_open else 1.0)
    return None


def is_valid(text: str, role: Role = Role.DATE) -> bool:
    """Whether the text holds a date that exists; a date of birth must be one of a living person."""
    reading = resolve(take_apart(text, past=role is Role.DATE_OF_BIRTH), Orders({}))
    return reading is not None and _out_of_range(reading.day, role) == ""


def _out_of_range(day: date, role: Role) -> str:
    """Why a person would doubt this date; "" if nobody would."""
    if role is Role.DATE_OF_BIRTH:
        if day > date.today():
            return "lies in the future"
        return "is more than 120 years ago" if day.year < date.today().year - 120 else ""
    return "is before 1900" if day.year < 1900 else "is after 2200" if day.year > 2200 else ""


def remarks(column: Column) -> Remarks:
    """ISO 8601 for every date, the order decided by this source's rows, else by the column's."""
    past = column.role is Role.DATE_OF_BIRTH
    parts = [take_apart(value, past=past) for value in column.values]
    beyond = None
    if column.whole is not None:
        beyond = decide_orders([take_apart(value) for value in column.whole.values], column.whole.counts)
    orders = decide_orders(parts, column.counts, beyond=beyond)
    style = 0.6 + 0.37 * min(1.0, 2 * column.share(lambda text: _CANONICAL.fullmatch(text) is not None))
    found = {}
    for position, (value, part) in enumerate(zip(column.values, parts, strict=True)):
        remark = _remark(value, resolve(part, orders), column.role, style)
        if remark is not None:
            found[position] = remark
    return found


def _remark(text: str, reading: Reading | None, role: Role, style: float) -> Remark | None:
    if reading is None:
        return _unread(text)
    doubt = _out_of_range(reading.day, role)
    if doubt:
        return Remark("date-range", 0.8, f"{reading.day.isoformat()} {doubt}.")
    if _CANONICAL.fullmatch(text):
        return None
    if reading.sure < 1 - TOLERATED:
        why = f'"{text}" has two readings and the column does not tell which; here {reading.day.isoformat()}.'
        return Remark("date-ambiguous", min(0.45, style * reading.sure / 2 + 0.1), why, reading.iso)
    why = f"{reading.day.day} {reading.day:%B} {reading.day.year}, read in the order of this column."
    return Remark("date-iso", style * reading.sure, why, reading.iso)


def _unread(text: str) -> Remark:
    if _EPOCH.fullmatch(text):
        moment = datetime(1970, 1, 1) + timedelta(seconds=int(text[:10]))
        return Remark(
            "date-epoch", 0.7, "Seconds since 1970, as computers count.", moment.isoformat(timespec="seconds")
        )
    if _SERIAL.fullmatch(text):
        day = _SERIAL_EPOCH + timedelta(days=int(float(text)))
        return Remark("date-serial", 0.6, "A spreadsheet's day number.", day.isoformat())
    return Remark("date-invalid", 0.8, f'"{text[:80]}" is no date.')
