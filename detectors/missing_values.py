"""Which cells hold no value: blank, or a placeholder that only says "nothing here"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

_LISTED = r"""
    n/a|na|n.a.|n.a|#n/a|#na|<na>|nan|nat|null|<null>|#null!|(null)|\n|none|nil|#ref!|#value!|#div/0!|#name?
    |unknown|unkown|unk|not known|not available|not applicable|not provided|not specified|not given|not set
    |not stated|no value|no data|no answer|unspecified|undefined|undisclosed|missing|blank|(blank)|empty
    |(empty)|(none)|tbd|tba|to be determined|to be announced|to be confirmed|tbc|leer|unbekannt|keine angabe
    |keine angaben|k.a.|k. a.|k.a|nicht bekannt|nicht angegeben|inconnu|inconnue|non renseigné|nc|n.c.
    |desconocido|desconocida|no disponible|sin datos|sconosciuto|sconosciuta|non disponibile|onbekend|n.v.t.
    |desconhecido|desconhecida|não informado|nieznany|brak danych|okänd|ukjent|ukendt|tuntematon|neznámý
    |неизвестно|нет данных|不明|未知|不详|무응답|غير معروف
"""
PLACEHOLDERS = frozenset(word.strip() for word in _LISTED.split("|"))
"""Placeholders, lower case and stripped, that people and programs write for "no value"."""

_PUNCTUATION = re.compile(r"[-–—−_.?*#/\\~…]+|x{3,}")
"""Cells of dashes, dots, question marks and the like only ("-", "--", "?", "..."), or of "xxx"."""

_INVISIBLE = "\0\u200b\u200c\u200d\u2060\ufeff\u00ad"
_LONGEST = max(map(len, PLACEHOLDERS))
_LONGEST_BYTES = 4 * _LONGEST + 64
"""Bytes of the longest text that may still be missing: as much again may be white space around it."""
_CODE = re.compile(r"[A-Z]{2}")
_CODES = frozenset({"NA", "NC"})
"""Placeholders that are also codes (Namibia, North Carolina): values where the column holds such codes."""
_SEVERAL_CODES = 10
"""Other codes that say so, however many names stand beside them: "CA", "TX" and "Bavaria" in one column of regions."""


def _first_and_size() -> npt.NDArray[np.bool_]:
    """[first byte, size in bytes] of the placeholders in either case, and of "xxx..."."""
    sizes = [len(word.encode()) for word in PLACEHOLDERS]
    table = np.zeros((256, max(sizes) + 2), dtype=np.bool_)
    for word, size in zip(PLACEHOLDERS, sizes, strict=True):
        table[[word[0].encode()[0], word[0].upper().encode()[0]], size] = True
    table[[ord("x"), ord("X")], 3:] = True
    return table


_FIRST_AND_SIZE = _first_and_size()
_MAY_STAND_AROUND = np.array([byte < 33 or byte > 126 or chr(byte) in "-_.?*#/\\~" for byte in range(256)])
"""Bytes with which a text may begin or end that has something around it, or is of punctuation only."""


def is_missing(series: pd.Series, whole: pd.Series | None = None) -> pd.Series:
    """Whether each cell of a column holds no value; a bool series on the same index.

    whole: the column that `series` is a part of, by which it is decided whether codes are values.

    Missing are: None and NaN; text that is empty once white space and invisible characters are stripped; the
    `PLACEHOLDERS` in any case; text of dashes, dots, question marks or asterisks only ("-", "?", "...").

    "NA" and "NC" are values, not placeholders, in a column that holds ten other codes of two capital letters
    (countries, states) or mostly such codes. "0", "no" and "other" are always values.
    """
    codes, distinct = pd.factorize(series)
    blank = np.fromiter((_says_nothing(str(value)) for value in distinct), dtype=bool, count=len(distinct))
    if whole is not None and any(str(value).strip() in _CODES for value in distinct):
        return is_missing(whole).loc[series.index]
    _keep_codes(distinct, blank)
    flags = np.append(blank, True)  # code -1 (None, NaN) reads the last flag
    return pd.Series(flags[codes], index=series.index, dtype=bool)


def missing_texts(texts: pl.Series) -> npt.NDArray[np.bool_]:
    """As `is_missing`, for a text column of polars: (n,) bools, several times quicker where values are distinct."""
    missing = np.array(texts.is_null().to_numpy(), dtype=np.bool_)
    suspected = _suspected(texts)
    if not len(suspected):
        return missing
    found = texts.gather(suspected)
    blank = [text for text in found.unique() if _says_nothing(text)]
    if any(text.strip() in _CODES for text in blank):  # whether they are values is said by all other ones
        everything = texts.drop_nulls().unique().to_list()
        flags = np.array([_says_nothing(text) for text in everything], dtype=np.bool_)
        _keep_codes(everything, flags)
        blank = [text for text, is_blank in zip(everything, flags, strict=True) if is_blank]
    missing[suspected] = found.is_in(blank).to_numpy()
    return missing


def _suspected(texts: pl.Series) -> npt.NDArray[np.intp]:
    """Positions of the texts that may say nothing, by their length and their first and last byte; few others."""
    arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, ends, bytes_ = arrow.buffers()
    edges = np.frombuffer(ends, dtype=np.int64)[arrow.offset : arrow.offset + len(texts) + 1]
    size = np.diff(edges)
    data = np.frombuffer(bytes_ or b"\0", dtype=np.uint8)
    first, last = data[np.minimum(edges[:-1], len(data) - 1)], data[np.maximum(edges[1:] - 1, 0)]
    listed = _FIRST_AND_SIZE[first, np.minimum(size, _FIRST_AND_SIZE.shape[1] - 1)]
    suspected = (listed | _MAY_STAND_AROUND[first] | _MAY_STAND_AROUND[last] | (size == 0)) & (size <= _LONGEST_BYTES)
    return np.flatnonzero(suspected & ~texts.is_null().to_numpy())


def blank_out(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of a frame of text cells with every missing cell (see `is_missing`) as None."""
    columns = [frame.iloc[:, place].astype(object) for place in range(frame.shape[1])]
    cleaned = {place: column.mask(is_missing(column), None) for place, column in enumerate(columns)}
    copy = pd.DataFrame(cleaned, index=frame.index, dtype=object)
    copy.columns = frame.columns
    return copy


def _says_nothing(text: str) -> bool:
    text = text.strip().strip(_INVISIBLE).strip()
    if len(text) > _LONGEST:
        return False
    lowered = text.lower()
    return not text or lowered in PLACEHOLDERS or _PUNCTUATION.fullmatch(lowered) is not None


def _keep_codes(distinct: Sequence[object] | pd.Index, blank: np.ndarray) -> None:
    """Take back, in place, the flag of "NA" and "NC" where many or most other distinct values are two capitals."""
    ambiguous = [place for place in np.flatnonzero(blank) if str(distinct[int(place)]).strip() in _CODES]
    if not ambiguous:
        return
    others = [str(value).strip() for value, empty in zip(distinct, blank, strict=True) if not empty]
    if others and sum(_CODE.fullmatch(value) is not None for value in others) > min(
        len(others) / 2, _SEVERAL_CODES - 1
    ):
        blank[ambiguous] = False
