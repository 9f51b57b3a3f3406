"""Which filled cells are valid for their role? The same rules make the findings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from detectors.formats import countries, dates, emails, identifiers, names, numbers, phones, urls
from detectors.formats.column import distinct, spread
from detectors.formats.placeholders import is_placeholder
from detectors.roles import Role, ValueType

_BY_COUNTRY: dict[Role, Callable[[str, str], bool]] = {
    Role.PHONE: phones.is_valid,
    Role.FAX: phones.is_valid,
    Role.CURRENCY: lambda text, region: bool(countries.currency_of(text, region)),
    **{
        role: partial(lambda role, text, region: identifiers.is_valid(text, role, region), role)
        for role in (Role.TAX_ID, Role.NATIONAL_ID, Role.BANK_ACCOUNT)
    },
}
_ALONE: dict[Role, Callable[[str], bool]] = {
    Role.EMAIL: emails.is_valid,
    Role.WEBSITE: urls.is_valid,
    Role.COUNTRY: lambda text: bool(countries.country_of(text)),
    **dict.fromkeys((Role.NAME, Role.GIVEN_NAME, Role.FAMILY_NAME), names.is_valid),
    **{role: partial(numbers.is_valid, role=role) for role in Role if role.value_type is ValueType.NUMBER},
    **{role: partial(dates.is_valid, role=role) for role in Role if role.value_type is ValueType.DATE},
}


def filled_mask(series: pd.Series, role: Role = Role.TEXT) -> pd.Series:
    """True where a cell holds something: not missing, not blank, not a placeholder such as "N/A"."""
    codes, texts = distinct(series)
    filled = np.array([not is_placeholder(text, role) for text in texts], dtype=bool)
    return pd.Series(spread(codes, filled), index=series.index, dtype=bool)


def valid_mask(role: Role, series: pd.Series, country: pd.Series | None = None) -> pd.Series:
    """True where a cell is filled and valid for its role.

    series: (n,) text or missing. country: (n,) the records' countries, any spelling, same index; decides
        phones, currencies and identifiers.

    validity = valid_mask(role, s).sum() / filled_mask(s, role).sum(); blanks and placeholders are in neither.
    A role without a rule of its own (text, categories) is valid where it is filled and has a letter or digit.
    """
    filled = filled_mask(series, role).to_numpy()
    codes, texts = distinct(series)
    if role in _BY_COUNTRY:
        valid = _valid_by_country(_BY_COUNTRY[role], codes, texts, country)
    else:
        rule: Callable[[str], bool] = _ALONE.get(role, _has_content)
        valid = spread(codes, np.array([rule(text.strip()) for text in texts], dtype=np.bool_))
    return pd.Series(valid & filled, index=series.index, dtype=bool)


def regions(country: pd.Series) -> pd.Series:
    """A country column as ISO alpha-2 codes; "" where it is blank or names none."""
    codes, texts = distinct(country)
    known = np.array([*(countries.country_of(text) for text in texts), ""], dtype=object)
    return pd.Series(known[codes], index=country.index, dtype=object)


def _valid_by_country(
    rule: Callable[[str, str], bool], codes: np.ndarray, texts: tuple[str, ...], country: pd.Series | None
) -> np.ndarray:
    where = regions(country).to_numpy() if country is not None else np.full(len(codes), "", dtype=object)
    places, names_of = pd.factorize(where)
    pairs, inverse = np.unique(np.stack([codes, places]), axis=1, return_inverse=True)
    verdicts = [code >= 0 and rule(texts[code].strip(), str(names_of[place])) for code, place in pairs.T]
    return np.array(verdicts, dtype=bool)[inverse] if len(codes) else np.zeros(0, dtype=bool)


def _has_content(text: str) -> bool:
    return any(sign.isalnum() for sign in text)
