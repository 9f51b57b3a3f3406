"""Countries and currencies by ISO 3166 and ISO 4217, in many languages, in the column's own style."""

from __future__ import annotations

import gettext
import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache

import pycountry
from rapidfuzz.distance import OSA

from detectors.formats.column import Column, Remark, Remarks

_LANGUAGES = "de fr es it pt nl pl sv da fi nb_NO cs sk hu ro hr sl el tr ru uk bg ja zh_CN zh_TW ko ar"
_ALIASES = {
    "usa": "US", "u s a": "US", "u s": "US", "united states of america": "US", "america": "US",
    "the united states": "US", "uk": "GB", "u k": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "great britain": "GB", "britain": "GB", "holland": "NL",
    "the netherlands": "NL", "czech republic": "CZ", "south korea": "KR", "korea": "KR",
    "north korea": "KP", "russia": "RU", "vietnam": "VN", "iran": "IR", "syria": "SY", "bolivia": "BO",
    "venezuela": "VE", "tanzania": "TZ", "moldova": "MD", "taiwan": "TW", "laos": "LA", "brunei": "BN",
    "ivory coast": "CI", "cape verde": "CV", "macedonia": "MK", "burma": "MM", "swaziland": "SZ",
    "uae": "AE", "brasil": "BR", "turkey": "TR", "palestine": "PS", "vatican": "VA", "p r china": "CN",
    "prc": "CN", "ksa": "SA", "rsa": "ZA", "bundesrepublik deutschland": "DE",
}  # fmt: skip
"""What people write beside the ISO names."""

_SYMBOLS = {
    "€": "EUR", "£": "GBP", "us$": "USD", "$us": "USD", "usd$": "USD", "u.s. dollar": "USD", "a$": "AUD",
    "au$": "AUD", "c$": "CAD", "ca$": "CAD", "can$": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD",
    "r$": "BRL", "₹": "INR", "¥": "JPY", "₽": "RUB", "₩": "KRW", "₺": "TRY", "zł": "PLN", "kč": "CZK",
    "ft": "HUF", "sfr": "CHF", "sfr.": "CHF", "fr.": "CHF", "₪": "ILS", "₫": "VND", "฿": "THB", "₱": "PHP",
    "₴": "UAH", "₦": "NGN", "rmb": "CNY", "euro": "EUR", "euros": "EUR", "dollar": "", "dollars": "",
    "$": "", "kr": "", "kr.": "", "us dollar": "USD", "us dollars": "USD", "pound": "GBP", "pounds": "GBP",
    "stg": "GBP", "sterling": "GBP", "yen": "JPY", "yuan": "CNY", "rupee": "INR", "rupees": "INR",
    "zloty": "PLN", "peso": "", "pesos": "",
}  # fmt: skip
"""Signs and names of currencies; "" where several countries use the same: only a country can decide."""


def fold(text: str) -> str:
    """Lower case, without accents and marks: "Côte d’Ivoire" and "COTE D IVOIRE" become one."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return re.sub(r"[\W_]+", " ", plain.casefold()).strip()


@cache
def _names() -> dict[str, str]:
    """Folded name -> alpha-2, in English and _LANGUAGES; a name that two countries share is left out."""
    names: dict[str, str] = {}
    shared: set[str] = set()

    def add(name: str, code: str) -> None:
        key = fold(name)
        if names.setdefault(key, code) != code:
            shared.add(key)

    for country in pycountry.countries:
        for attribute in ("name", "official_name", "common_name"):
            if hasattr(country, attribute):
                add(getattr(country, attribute), country.alpha_2)
    for language in _LANGUAGES.split():
        translated = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, [language], fallback=True)
        for country in pycountry.countries:
            add(translated.gettext(country.name), country.alpha_2)
    return {key: code for key, code in names.items() if key not in shared and key} | _ALIASES


@cache
def _codes() -> dict[str, str]:
    """Alpha-2, alpha-3 and numeric codes -> alpha-2."""
    codes = {country.alpha_2: country.alpha_2 for country in pycountry.countries}
    return codes | {country.alpha_3: country.alpha_2 for country in pycountry.countries}


@lru_cache(maxsize=65_536)
def country_of(text: str) -> str:
    """ISO alpha-2 code of the country a text names in full or by code; "" if it names none."""
    text = text.strip()
    if len(text) > 80:
        return ""
    return _codes().get(text.upper().replace(".", ""), "") or _names().get(fold(text), "")


@lru_cache(maxsize=65_536)
def _near_country(text: str) -> str:
    """The country whose name is one slip away; "" if none or several."""
    key = fold(text)
    if len(key) < 5 or len(key) > 60:
        return ""
    near = {code for name, code in _names().items() if len(name) > 4 and OSA.distance(key, name, score_cutoff=1) <= 1}
    return near.pop() if len(near) == 1 else ""


def _style(text: str) -> str:
    return {2: "alpha_2", 3: "alpha_3"}.get(len(text), "name") if text.isupper() and text in _codes() else "name"


def _written(code: str, style: str, usual: dict[str, str]) -> str:
    """A country in the column's style; as most rows of the column spell it, where they do."""
    if style == "name" and code in usual:
        return usual[code]
    country = pycountry.countries.get(alpha_2=code)
    return str(getattr(country, "common_name", country.name) if style == "name" else getattr(country, style))


def country_remarks(column: Column) -> Remarks:
    """Write every country in the column's commonest style; correct slips; ask about what names no country."""
    styles: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = {}
    for value, count in zip(column.values, column.counts, strict=True):
        code = country_of(value)
        if code:
            styles[_style(value)] += int(count)
            if _style(value) == "name":
                spellings.setdefault(code, Counter())[value] += int(count)
    style, leading = styles.most_common(1)[0] if styles else ("alpha_2", 0)
    usual = {code: _usual(code, seen) for code, seen in spellings.items()}
    sure = 0.55 + 0.4 * leading / max(1, sum(styles.values()))
    found = {}
    for position, value in enumerate(column.values):
        remark = _country_remark(value, style, usual, sure)
        if remark is not None:
            found[position] = remark
    return found


def _usual(code: str, seen: Counter[str]) -> str:
    """The commonest spelling of a country's name; of several equally common the ISO name, if it is among them."""
    own = _written(code, "name", {})
    return min(seen, key=lambda text: (-seen[text], text != own, text))


def _country_remark(value: str, style: str, usual: dict[str, str], sure: float) -> Remark | None:
    code = country_of(value)
    if not code:
        near = _near_country(value)
        if not near:
            return Remark("country-unknown", 0.7, f'"{value[:80]}" names no country.')
        written = _written(near, style, usual)
        return Remark("country-typo", 0.85, f"One letter from a name of {written}.", written)
    written = _written(code, style, usual)
    if written == value:
        return None
    return Remark("country-style", sure, f'This column writes countries as in "{written}".', written)


@cache
def _currency_codes() -> frozenset[str]:
    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


@cache
def _currency_names() -> dict[str, str]:
    return {fold(currency.name): currency.alpha_3 for currency in pycountry.currencies}


_DOLLARS = {
    "US": "USD",
    "CA": "CAD",
    "AU": "AUD",
    "NZ": "NZD",
    "SG": "SGD",
    "HK": "HKD",
    "MX": "MXN",
    "TW": "TWD",
}
_CROWNS = {"SE": "SEK", "NO": "NOK", "DK": "DKK", "IS": "ISK"}
_PESOS = {"MX": "MXN", "AR": "ARS", "CL": "CLP", "CO": "COP", "PH": "PHP", "UY": "UYU"}


def currency_of(text: str, region: str = "") -> str:
    """ISO 4217 code of the currency a text names; "" if it names none, or one only a country could decide."""
    text = text.strip()
    if text.upper() in _currency_codes():
        return text.upper()
    sign = text.lower()
    if _SYMBOLS.get(sign) == "":
        shared = _DOLLARS if sign in {"$", "dollar", "dollars"} else _CROWNS if sign.startswith("kr") else _PESOS
        return shared.get(region, "")
    return _SYMBOLS.get(sign, "") or _currency_names().get(fold(text), "")


def currency_remarks(column: Column) -> Remarks:
    """Currencies as three-letter codes; column.key is the country of these rows, for "$" and "kr"."""
    found = {}
    for position, value in enumerate(column.values):
        code = currency_of(value, column.key)
        if not code:
            found[position] = Remark("currency-unknown", 0.7, f'"{value[:80]}" names no one currency.')
        elif code != value:
            found[position] = Remark("currency-code", 0.9, f"ISO 4217 writes {code}.", code)
    return found
