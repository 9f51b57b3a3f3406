"""What is read off a column before records are compared: parts, sounds, dates, weighed words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.compiling import compiled
from detectors.duplicates import text as kernels
from detectors.duplicates.encoding import EMAIL, WORDS, Column, cut, encode, encode_values, joined, pieces
from detectors.duplicates.text import Codes, Hashes, Ints
from detectors.duplicates.vocabulary import LEGAL_FORMS, NICKNAMES, SAME_WORDS, SUFFIXES, TITLES

Floats = npt.NDArray[np.float64]

_MONTH_NAMES = """
    jan january januar janvier enero|feb february februar fevrier febrero|mar march marz mars marzo|
    apr april avril abril|may mai mayo|jun june juni juin junio|jul july juli juillet julio|
    aug august aout agosto|sep sept september septembre septiembre|oct october oktober okt octobre octubre|
    nov november novembre noviembre|dec december dezember dez decembre diciembre
"""
_MONTHS = {name: month for month, names in enumerate(_MONTH_NAMES.split("|"), start=1) for name in names.split()}


@dataclass(frozen=True)
class Name:
    """A given or family name: aliases are (values, 2) short-form groups, sounds one phonetic hash a value."""

    column: Column
    aliases: Codes
    sounds: Hashes


@dataclass(frozen=True)
class Dates:
    """Dates: one year, month and day a distinct value; unreadable text is missing.

    day_first: "3/4" is in April. unsure: there is a date like that.
    """

    column: Column
    years: Ints
    months: Ints
    days: Ints
    day_first: bool = False
    unsure: bool = False


@dataclass(frozen=True)
class Words:
    """Texts of several words: value i has tokens[bounds[i]:bounds[i + 1]]; weights hold a word's rarity."""

    column: Column
    bounds: Ints
    tokens: Codes
    weights: Floats
    vocabulary: Column
    joined: Hashes


def name(column: Column) -> Name:
    """Short forms and sounds of a column of names."""
    values = column.values()
    aliases = np.full((len(column), 2), -1, np.int32)
    for code, value in enumerate(values):
        for place, group in enumerate(NICKNAMES.get(value, ())[:2]):
            aliases[code, place] = group
    return Name(column, aliases, kernels.sounds(column.text, column.starts[:-1], column.starts[1:]))


def comma_first(series: pd.Series) -> bool:
    """Whether a column of whole names is mostly written "Lee, Ann B."."""
    cells = series.dropna().astype(str)
    return len(cells) > 0 and bool(cells.str.contains(",", regex=False).mean() > 0.5)


def split_names(series: pd.Series) -> tuple[Column, Column, Column]:
    """Given, middle and family name of a column of whole names ("Dr. Ann B. Lee", "Lee, Ann B.")."""
    family_first = comma_first(series)
    column = encode(series, WORDS)
    split = [name_parts(value, family_first) for value in column.values()]
    given, middle, family = zip(*split, strict=True) if split else ((), (), ())
    return tuple(encode_values(list(part), column.codes) for part in (given, middle, family))  # type: ignore[return-value]


def name_parts(value: str, family_first: bool) -> tuple[str, str, str]:
    """Given, middle and family name of a cleaned whole name."""
    parts = [part for part in value.split() if part not in TITLES and part not in SUFFIXES] or value.split()
    if family_first and len(parts) > 1:
        parts = [*parts[1:], parts[0]]
    return parts[0] if len(parts) > 1 else "", " ".join(parts[1:-1]), parts[-1]


def looks_like_people(series: pd.Series) -> bool:
    """Whether a column of names holds people rather than companies or things, by a sample of 500."""
    values = encode(series.dropna().iloc[:500], WORDS).values()
    if not values:
        return False
    words = [value.split() for value in values]
    fits = sum(2 <= len(parts) <= 4 and not any(part[0].isdigit() for part in parts) for parts in words)
    organised = sum(any(part in LEGAL_FORMS or part in SAME_WORDS.values() for part in parts[1:]) for parts in words)
    return fits >= 0.85 * len(values) and organised <= 0.05 * len(values)


def phone(column: Column) -> Column:
    """Telephone numbers as their last nine digits: country code and trunk zero are written or not.

    column: cleaned to digits.
    """
    firsts, lasts = column.starts[:-1], column.starts[1:]
    return parts_of(column, np.where(lasts - firsts >= 5, np.maximum(firsts, lasts - 9), lasts), lasts)


@compiled
def _find(text: npt.NDArray[np.uint8], starts: Ints, letter: int) -> Ints:
    ats = starts[1:].copy()
    for value in range(len(starts) - 1):
        for place in range(starts[value], starts[value + 1]):
            if text[place] == letter:
                ats[value] = place
                break
    return ats


def find(column: Column, letter: str) -> Ints:
    """Where `letter` first stands in each value, as a position in the column's text; the value's end if nowhere."""
    found: Ints = _find(column.text, column.starts, ord(letter))
    return found


def website(series: pd.Series) -> Column:
    """The host of a web address, without "www."."""
    column = encode(series, EMAIL)
    hosts = [re.sub(r"^(https?:/*)?(www\.)?", "", value).split("/")[0] for value in column.values()]
    return encode_values(hosts, column.codes)


def dates(column: Column) -> Dates:
    """Dates in any usual layout; the order of day and month is decided a column, by values above 12."""
    parts = _numeric_dates(column.text, column.starts)
    others = np.flatnonzero(parts[:, 3] < 0)
    if len(others):
        values = column.values()
        parts[others] = [date_parts(values[place]) or (0, 0, 0, 0) for place in others]
    year, one, two, unsure = parts[:, 0], parts[:, 1], parts[:, 2], parts[:, 3] == 1
    day_first = (one[unsure] > 12).sum() >= (two[unsure] > 12).sum()
    exchange = unsure & ((one > 12) | bool(day_first)) & (two <= 12)
    months, days = np.where(exchange, two, one), np.where(exchange, one, two)
    hashes = np.where(year > 0, _finished(year * 10000 + months * 100 + days), np.uint64(0))
    merged, sample = kernels.intern(hashes)
    written = [f"{year[at]:04d}{months[at]:02d}{days[at]:02d}".encode() for at in sample.tolist()]
    text, starts = joined(written)
    codes = np.append(merged, np.int32(-1))[column.codes]
    whole = Column(codes, text, starts, kernels.hash_parts(text, starts[:-1], starts[1:]))
    either = bool((unsure & (one <= 12) & (two <= 12)).any())
    return Dates(whole, year[sample], months[sample], days[sample], bool(day_first), either)


@compiled
def _numeric_dates(text: npt.NDArray[np.uint8], starts: Ints) -> Ints:
    """(values, 4) what `date_parts` says of three short numbers or of eight digits; -1 last where it must be asked."""
    out = np.zeros((len(starts) - 1, 4), np.int64)
    parts = np.zeros(4, np.int64)
    sizes = np.zeros(4, np.int64)
    for value in range(len(starts) - 1):
        first, last = starts[value], starts[value + 1]
        count = 0
        parts[:] = 0
        sizes[:] = 0
        for place in range(first, last):
            digit = int(text[place]) - 48
            if digit == -16:
                count += 1
            elif not 0 <= digit <= 9 or (sizes[count] >= 4 and last - first != 8):
                count = 9
            else:
                parts[count] = parts[count] * 10 + digit
                sizes[count] += 1
            if count > 2:
                break
        if count == 0 and last - first == 8:
            whole = parts[0]
            if 1000 <= whole // 10000 <= 2200:
                parts[0], parts[1], parts[2] = whole // 10000, whole // 100 % 100, whole % 100
                sizes[0], sizes[2] = 4, 2
            else:
                parts[0], parts[1], parts[2] = whole // 1000000, whole // 10000 % 100, whole % 10000
                sizes[0], sizes[2] = 2, 4
        elif count != 2 or sizes.max() > 4 or min(sizes[0], sizes[1], sizes[2]) == 0:
            out[value, 3] = -1
            continue
        if sizes[0] == 4:
            if parts[0] > 0:
                out[value, 0], out[value, 1], out[value, 2] = parts[0], parts[1], parts[2]
        elif parts[2] > 0 or sizes[2] == 2:
            year = parts[2] if parts[2] > 99 else parts[2] + (1900 if parts[2] > 29 else 2000)
            out[value, 0], out[value, 1], out[value, 2], out[value, 3] = year, parts[0], parts[1], 1
    return out


def _finished(values: Ints) -> Hashes:
    mixed = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) | np.uint64(1))


def settled(parts: tuple[int, int, int, bool], day_first: bool) -> tuple[int, int, int]:
    """(year, month, day) of what `date_parts` read."""
    year, one, two, unsure = parts
    exchange = unsure and (day_first or one > 12) and not two > 12
    return (year, two, one) if exchange else (year, one, two)


def date_parts(value: str) -> tuple[int, int, int, bool] | None:
    """(year, month, day, False), or (year, first, second, True) where day and month may be exchanged."""
    parts = value.split()
    if len(parts) > 3:
        parts = parts[:3]  # a time of day follows
    if parts and len(parts[0]) == 9 and parts[0][8] == "t":
        parts = [parts[0][:8]]
    if len(parts) == 3 and re.fullmatch(r"\d\dt\d\d", parts[2]):
        parts[2] = parts[2][:2]
    if len(parts) == 1 and re.fullmatch(r"\d{8}", parts[0]):
        digits = parts[0]
        iso = 1000 <= int(digits[:4]) <= 2200
        parts = [digits[:4], digits[4:6], digits[6:]] if iso else [digits[:2], digits[2:4], digits[4:]]
    if len(parts) != 3:
        return None
    word = next((place for place, part in enumerate(parts) if part in _MONTHS), None)
    if word is not None:
        month = _MONTHS[parts.pop(word)]
        if not all(part.rstrip("stndrh").isdigit() for part in parts):
            return None
        one, two = (int(part.rstrip("stndrh")) for part in parts)
        return (_century(max(one, two)), month, min(one, two), False)
    if not all(part.isdigit() and len(part) <= 4 for part in parts):
        return None
    first, second, third = map(int, parts)
    if len(parts[0]) == 4:
        return (first, second, third, False) if first else None
    return (_century(third), first, second, True) if third or len(parts[2]) == 2 else None


def _century(year: int) -> int:
    return year if year > 99 else year + (1900 if year > 29 else 2000)


def words(column: Column, *, drop: frozenset[str] = frozenset()) -> Words:
    """The words of each value in one spelling ("st" and "street"), weighed by how rare they are.

    Values that differ by spelling or blanks only become one. drop: words that count for little (legal forms); they
    keep a twentieth of their weight.
    """
    tokens, bounds, written = pieces(column)
    spelled = [SAME_WORDS.get(word, word) for word in written.values()]
    vocabulary = encode_values(spelled, np.arange(len(spelled), dtype=np.int32))
    tokens = vocabulary.codes[tokens]
    joined = _joined(bounds, tokens, vocabulary.text, vocabulary.starts)
    merged, sample = kernels.intern(joined)
    tokens, bounds = _regroup(bounds, tokens, sample)
    text, starts = kernels.take(column.text, column.starts, sample)
    codes = np.append(merged, np.int32(-1))[column.codes]
    column = Column(codes, text, starts, joined[sample])
    per_token = np.zeros(len(vocabulary), np.float64)
    np.add.at(per_token, tokens, column.counts[np.repeat(np.arange(len(column)), np.diff(bounds))])
    weights = np.log1p(max(column.filled, 1) / np.maximum(per_token, 1.0)) + 0.1
    if drop:
        light = np.array([word in drop for word in vocabulary.values()], dtype=bool)
        weights[light] *= 0.05
    return Words(column, bounds, tokens, weights, vocabulary, column.hashes)


@compiled
def _joined(bounds: Ints, tokens: Codes, text: npt.NDArray[np.uint8], starts: Ints) -> Hashes:
    """A hash of each value's words without blanks between them; 0 for no words."""
    out = np.zeros(len(bounds) - 1, np.uint64)
    for value in range(len(out)):
        mixed = np.uint64(14695981039346656037)
        for place in range(bounds[value], bounds[value + 1]):
            for at in range(starts[tokens[place]], starts[tokens[place] + 1]):
                mixed = (mixed ^ np.uint64(text[at])) * np.uint64(1099511628211)
        if bounds[value + 1] > bounds[value]:
            out[value] = kernels.finish(mixed)
    return out


@compiled
def _regroup(bounds: Ints, tokens: Codes, sample: Ints) -> tuple[Codes, Ints]:
    """The words of the sampled values only."""
    ends = np.zeros(len(sample) + 1, np.int64)
    for place in range(len(sample)):
        ends[place + 1] = ends[place] + bounds[sample[place] + 1] - bounds[sample[place]]
    out = np.empty(ends[-1], np.int32)
    for place in range(len(sample)):
        out[ends[place] : ends[place + 1]] = tokens[bounds[sample[place]] : bounds[sample[place] + 1]]
    return out, ends


def street_line(column: Column) -> tuple[Column, Column]:
    """House number and the rest of each address line ("12a main st" -> "12", "main st").

    The number is the first word that begins or ends with a digit; letters behind it are dropped.
    """
    first, last, stop = _number_bounds(column.text, column.starts)
    numbers = parts_of(column, first, last)
    text, starts = _without(column.text, column.starts, first, stop)
    return numbers, _interned(text, starts, column.codes)


@compiled
def _number_bounds(text: npt.NDArray[np.uint8], starts: Ints) -> tuple[Ints, Ints, Ints]:
    """Where each value's house number begins, where its digits end, and where its word ends."""
    size = len(starts) - 1
    firsts, lasts, stops = starts[:-1].copy(), starts[:-1].copy(), starts[:-1].copy()
    for value in range(size):
        word = starts[value]
        for place in range(starts[value], starts[value + 1] + 1):
            if place == starts[value + 1] or text[place] == 32:
                if place > word and (48 <= text[word] <= 57 or 48 <= text[place - 1] <= 57):
                    last = place
                    while not 48 <= text[last - 1] <= 57:
                        last -= 1
                    firsts[value], lasts[value], stops[value] = word, last, place
                    break
                word = place + 1
    return firsts, lasts, stops


@compiled
def _without(text: npt.NDArray[np.uint8], starts: Ints, first: Ints, stop: Ints) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Every value without text[first:stop] and one blank beside it."""
    out = np.empty(len(text), np.uint8)
    ends = np.zeros(len(starts), np.int64)
    at = 0
    for value in range(len(starts) - 1):
        begin = at
        for place in range(starts[value], starts[value + 1]):
            if first[value] <= place < stop[value]:
                continue
            if text[place] == 32 and (at == begin or out[at - 1] == 32):
                continue
            out[at] = text[place]
            at += 1
        if at > begin and out[at - 1] == 32:
            at -= 1
        ends[value + 1] = at
    return out[:at].copy(), ends


def parts_of(column: Column, first: Ints, last: Ints) -> Column:
    """A column of text[first:last] of each distinct value; missing where that is empty."""
    hashes = kernels.hash_parts(column.text, first, last)
    merged, sample = kernels.intern(hashes)
    text, starts = cut(column.text, first[sample], last[sample])
    return Column(np.append(merged, np.int32(-1))[column.codes], text, starts, hashes[sample])


def _interned(text: npt.NDArray[np.uint8], starts: Ints, codes: Codes) -> Column:
    hashes = kernels.hash_parts(text, starts[:-1], starts[1:])
    merged, sample = kernels.intern(hashes)
    text, starts = kernels.take(text, starts, sample)
    return Column(np.append(merged, np.int32(-1))[codes], text, starts, hashes[sample])


def number(series: pd.Series) -> Floats:
    """Numbers; NaN where there is none."""
    values = pd.to_numeric(series, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.asarray(np.where(np.isfinite(values), values, np.nan), dtype=np.float64)


def united(columns: Sequence[Column]) -> list[Column]:
    """The same columns over one shared dictionary, so that codes can be compared across them."""
    if len(columns) == 1:
        return list(columns)
    texts = [value for column in columns for value in column.values()]
    shared = encode_values(texts, np.arange(len(texts), dtype=np.int32))
    offsets = np.cumsum([0] + [len(column) for column in columns])
    out = []
    for column, offset in zip(columns, offsets[:-1], strict=True):
        codes = np.append(shared.codes[offset : offset + len(column)], np.int32(-1))[column.codes]
        out.append(Column(codes.astype(np.int32), shared.text, shared.starts, shared.hashes))
    return out
