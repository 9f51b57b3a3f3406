"""Reading text cells as numbers, dates, categories and shapes; distinct values once, whole columns at a time."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

LARGEST = 1e15
"""Numbers beyond this are clipped: their squares must stay finite."""
LONGEST = 64
"""A number or date has fewer letters than this."""
_NOISE = re.compile(r"[^\d.,()+\-eE]")
_DATE_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d", "%Y%m%d", "ISO8601")
_DAY_FIRST = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%y", "%d.%m.%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y")
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%b %d, %Y", "%B %d, %Y")


def numbers(cells: pd.Series) -> Floats:
    """Each cell as a number, NaN where it is none: "1,234.50", "1.234,50 €", "(12)", "$ 5", "12 %", "1e3".

    Which of comma and point is the decimal mark is decided once a column, from the cells that show it.
    """
    codes, words = _distinct(cells)
    plain = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan).copy()
    left = np.flatnonzero(~np.isfinite(plain))
    mark = _decimal_mark([words[place] for place in left])
    for place in left:
        plain[place] = _number(words[place], mark)
    plain = np.clip(np.where(np.isfinite(plain), plain, np.nan), -LARGEST, LARGEST)
    return _spread(codes, plain)


def dates(cells: pd.Series) -> Floats:
    """Each cell as days since 1970, NaN where it is no date; day or month first is decided once a column."""
    codes, words = _distinct(cells)
    text = pd.Series([word if len(word) < LONGEST else "" for word in words], dtype=object)
    both = [_parsed(text, _DATE_FORMATS + order) for order in (_DAY_FIRST + _MONTH_FIRST, _MONTH_FIRST + _DAY_FIRST)]
    # The order that needs its fallback less often: an impossible day or month shows that the order is wrong.
    slipped = [np.isnan(_parsed(text, _DATE_FORMATS + order)).sum() for order in (_DAY_FIRST, _MONTH_FIRST)]
    return _spread(codes, both[int(slipped[1] < slipped[0])])


def codes_of(cells: pd.Series) -> npt.NDArray[np.int64]:
    """Categories numbered by their folded text in sorted order; -1 where blank."""
    codes, words = _distinct(cells)
    folded = [word.casefold() for word in words]
    number = {word: place for place, word in enumerate(sorted(set(folded) - {""}))}
    table = np.array([number.get(word, -1) for word in folded] + [-1], np.int64)
    return table[codes]


def shapes(cells: pd.Series) -> list[tuple[str, Floats]]:
    """How text looks, never what it says: its length, and the shares of digits and of odd signs."""
    codes, words = _distinct(cells)
    length = np.array([len(word) or np.nan for word in words], np.float64)
    digits = np.array([sum(map(str.isdigit, word)) for word in words], np.float64)
    plain = np.array([sum(letter.isalnum() or letter.isspace() for letter in word) for word in words], np.float64)
    return [
        ("length", _spread(codes, length)),
        ("share of digits", _spread(codes, digits / length)),
        ("share of signs", _spread(codes, 1 - plain / length)),
    ]


def _distinct(cells: pd.Series) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Number of each cell's distinct stripped text, -1 where missing, and the texts."""
    codes, values = pd.factorize(cells.to_numpy(object), use_na_sentinel=True)
    return np.asarray(codes, np.int64), [str(value).strip() for value in values]


def _spread(codes: npt.NDArray[np.int64], values: Floats) -> Floats:
    """The distinct values laid out over the cells; NaN where missing."""
    return np.append(values, np.nan)[codes]


def _decimal_mark(words: list[str]) -> str:
    """The mark that stands last where both occur, or that is followed by other than three digits."""
    votes = {",": 0, ".": 0}
    for word in words[:5000]:
        point, comma = word.rfind("."), word.rfind(",")
        last = max(point, comma)
        if last < 0:
            continue
        mark = word[last]
        tail = re.match(r"\d*", word[last + 1 :])
        alone = word.count(mark) == 1
        if alone and (min(point, comma) >= 0 or (tail is not None and len(tail.group()) != 3)):
            votes[mark] += 1
    return "," if votes[","] > votes["."] else "."


def _number(word: str, mark: str) -> float:
    if not word or len(word) >= LONGEST or not any(map(str.isdigit, word)):
        return np.nan
    if sum(map(str.isalpha, word)) > 4:
        return np.nan
    kept = _NOISE.sub("", word).strip("eE")
    other = "." if mark == "," else ","
    kept = kept.replace(other, "").replace(mark, ".")
    negative = (kept.startswith("(") and kept.endswith(")")) or kept.endswith("-")
    kept = kept.strip("()").rstrip("-")
    try:
        value = float(kept)
    except ValueError:
        return np.nan
    return -value if negative else value


def _parsed(text: pd.Series, formats: tuple[str, ...]) -> Floats:
    """Days since 1970 by the first format that reads a cell."""
    days = np.full(len(text), np.nan)
    for layout in formats:
        left = np.flatnonzero(np.isnan(days))
        if not len(left):
            break
        read = pd.to_datetime(text.iloc[left], format=layout, errors="coerce", utc=True)
        days[left] = (read - pd.Timestamp("1970-01-01", tz="UTC").as_unit("s")) / pd.Timedelta(1, "D").as_unit("s")
    return days
