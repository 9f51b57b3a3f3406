"""Which cells hold no value: blank, or a placeholder that only says "nothing here"."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

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
_CODE = re.compile(r"[A-Z]{2}")
_CODES = frozenset({"NA", "NC"})
"""Placeholders that are also codes (Namibia, North Carolina): values where the column holds such codes."""


def is_missing(series: pd.Series) -> pd.Series:
    """Whether each cell of a column holds no value; a bool series on the same index.

    Missing are: None and NaN; text that is empty once white space and invisible characters are stripped; the
    `PLACEHOLDERS` in any case; text of dashes, dots, question marks or asterisks only ("-", "?", "...").

    "NA" and "NC" are values, not placeholders, in a column whose other values are mostly two capital letters
    (country and state codes). "0", "no" and "other" are always values.
    """
    codes, distinct = pd.factorize(series)
    blank = np.fromiter((_says_nothing(str(value)) for value in distinct), dtype=bool, count=len(distinct))
    _keep_codes(distinct, blank)
    flags = np.append(blank, True)  # code -1 (None, NaN) reads the last flag
    return pd.Series(flags[codes], index=series.index, dtype=bool)


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


def _keep_codes(distinct: pd.Index, blank: np.ndarray) -> None:
    """Take back, in place, the flag of "NA" and "NC" where most other distinct values are two capitals."""
    ambiguous = [place for place in np.flatnonzero(blank) if str(distinct[place]).strip() in _CODES]
    if not ambiguous:
        return
    others = [str(value).strip() for value, empty in zip(distinct, blank, strict=True) if not empty]
    if others and sum(_CODE.fullmatch(value) is not None for value in others) > len(others) / 2:
        blank[ambiguous] = False
