"""What a column's cells say about its role: e-mails, dates, names, places ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from detectors import mapping_vocabulary as vocabulary
from detectors.mapping_vocabulary import fold
from detectors.roles import Role, ValueType

SAMPLE = 1_000
"""Distinct values looked at in a column; more change no share by more than about three points."""

_BLANK = frozenset(["", "-", "--", "?", ".", "n/a", "na", "nan", "none", "null", "nil", "empty", "unknown"])

_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.?[^@\s,;]+")
_URL = re.compile(
    r"(https?://\S+|www\.\S+|([a-z0-9-]+\.)+(com|org|net|edu|gov|io|co|de|fr|es|uk|it|nl|pl|br|eu|info|biz)(/\S*)?)",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[-+(]?\s*([$€£¥₹]|[A-Z]{3})?\s*\d+([.,' ]\d{3})*([.,]\d+)?(e[-+]?\d+)?\s*([$€£¥%₹]|[A-Z]{3})?\)?", re.I
)
_MONEY = re.compile(r"[-+(]?\s*([$€£¥₹]\s*[\d.,]+|[\d.,]+\s*[$€£¥₹])\)?")
_YEAR = r"(1[89]\d\d|20\d\d)"
_DATE = re.compile(
    rf"({_YEAR}[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])|"
    rf"(0?[1-9]|[12]\d|3[01])[-/. ](0?[1-9]|[12]\d|3[01])[-/. ]({_YEAR}|\d\d)|"
    rf"{_YEAR}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|"
    r"(\d{1,2}(st|nd|rd|th)?[-. ]+)?"
    r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez)[a-zé]*[-., ]+"
    r"(\d{1,2}(st|nd|rd|th)?[-, ]+)?(\d{4}|\d{2}))(?P<time>[T ]+\d{1,2}:\d\d.*)?",
    re.IGNORECASE,
)
_ANY_YEAR = re.compile(_YEAR)
_PHONE = re.compile(r"(\+|00)?[\d\s().\-/]{6,22}((x|ext\.?|#)\s*\d+)?", re.IGNORECASE)
_NORTH_AMERICA = re.compile(r"1?[2-9]\d{2}[2-9]\d{6}")
_POSTCODE = re.compile(
    r"\d{5}-\d{4}|\d{5}|\d{4}|\d{5}-?\d{3}|\d{2}-\d{3}|\d{3}-\d{4}|\d{6}|\d{4} ?[A-Z]{2}|"
    r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d",
    re.IGNORECASE,
)
_LETTERED_POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{5}-\d{4}|\d{4} [A-Z]{2}")
_SOCIAL_SECURITY = re.compile(r"\d{3}-\d{2}-\d{4}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}( ?[A-Z0-9]{4}){3,7}( ?[A-Z0-9]{1,3})?")
_VAT = re.compile(
    r"(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)[0-9A-Z]{8,12}"
)
_CODE = re.compile(
    r"[A-Za-z]{0,6}[-_/#]?[0-9A-Fa-f]{1,8}([-_/][0-9A-Za-z]{1,12})*|[A-Za-z0-9]{15}|[A-Za-z0-9]{18}|[0-9a-f]{32}"
)
_TAIL = re.compile(r",.*\b\d{4,6}\b|\b[A-Z]{2},? \d{5}(-\d{4})?$|\b\d{5} [A-Z]\w+$|[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}$")
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Contents:
    """A column's cells, summed up.

    values: distinct non-blank values of the sample, stripped, at most SAMPLE, the most frequent first.
    counts: how often each of them occurs in the sampled rows.
    rows: non-blank cells in the sampled rows; distinct: how many different ones.
    blank: True if the whole column (not only the sample) is empty.
    """

    values: tuple[str, ...]
    counts: tuple[int, ...]
    rows: int
    distinct: int
    blank: bool

    def share(self, fits: Callable[[str], object]) -> float:
        """Share of the cells that fit; by cells, not values, for every typo is a distinct value."""
        total = sum(self.counts)
        fitting = sum(count for value, count in zip(self.values, self.counts, strict=True) if fits(value))
        return fitting / total if total else 0.0

    @property
    def repeats(self) -> bool:
        """True if values occur so often again that they are categories, not free text."""
        return self.rows >= 20 and self.distinct <= max(12, 0.05 * self.rows)


@dataclass(frozen=True, slots=True)
class ContentHint:
    """What the cells say: a role, how likely by the cells alone, and why."""

    role: Role
    trust: float
    why: str


def summarise(column: pd.Series) -> Contents:
    """Sum up a column of text cells from rows spread evenly over it."""
    step = max(1, len(column) // (2 * SAMPLE))
    cells = _filled(column.iloc[::step])
    if cells.empty and step > 1:  # a sparse column: nothing in the sampled rows
        cells = _filled(column.dropna().head(2 * SAMPLE))
    counts = cells.value_counts()
    top = counts.head(SAMPLE)
    return Contents(tuple(top.index), tuple(top.to_list()), rows=len(cells), distinct=len(counts), blank=cells.empty)


def _filled(column: pd.Series) -> pd.Series:
    cells = column.dropna().astype(str).str.strip()
    return cells[~cells.str.casefold().isin(_BLANK)]


def read_contents(contents: Contents) -> list[ContentHint]:
    """Roles that the cells alone suggest, in no order; at least one unless the column is blank."""
    return [hint for reader in _READERS for hint in reader(contents)]


def fits_role(contents: Contents, role: Role) -> float:
    """Share of values that could be of this role at all; 1 where the role has no shape of its own."""
    test = _COULD_BE.get(role) or _COULD_BE_TYPE.get(role.value_type)
    return contents.share(test) if test else 1.0


# What a cell looks like


def is_number(value: str) -> bool:
    """A number, with or without thousands, currency, percent."""
    return _NUMBER.fullmatch(value) is not None


def is_date(value: str) -> bool:
    """A calendar date in a usual notation, with or without a time."""
    return _DATE.fullmatch(value) is not None


def _is_url(value: str) -> bool:
    return _URL.fullmatch(value) is not None and "@" not in value


def _digits(value: str) -> str:
    return "".join(letter for letter in value if letter.isdigit())


def _looks_like_phone(value: str) -> bool:
    """Digits set out as a phone number is: a plus, brackets or groups; or ten digits by American rules."""
    if not _PHONE.fullmatch(value) or is_date(value) or _SOCIAL_SECURITY.fullmatch(value):
        return False
    digits = _digits(value)
    if not 7 <= len(digits) <= 15:
        return False
    grouped = len(re.findall(r"\d+", value)) >= 2 and "." not in value.strip(".")
    dotted = value.count(".") == 2
    bare = value.isdigit() and (_NORTH_AMERICA.fullmatch(value) or (value[0] == "0" and len(value) >= 9))
    return bool(value.startswith(("+", "(")) or grouped or dotted or bare)


def _could_be_phone(value: str) -> bool:
    return 5 <= len(_digits(value)) <= 24 and len(_WORD.findall(value)) <= 3 and not is_date(value)


def _has_letters(value: str) -> bool:
    return _WORD.search(value) is not None and "@" not in value


def _is_lettered_word(value: str) -> bool:
    return _has_letters(value) and len(value) <= 60 and not is_date(value)


def _is_company(value: str) -> bool:
    words = fold(value).replace(".", "").replace(",", "").split()
    others = [word for word in words if word not in vocabulary.COMPANY_WORDS]
    return len(others) < len(words) and any(sign.isalpha() for word in others for sign in word)  # "3 kg" is a weight


def _is_person(value: str) -> bool:
    parts = [part for part in fold(value.replace(",", " ")).split() if len(part) > 1]
    known = any(part in vocabulary.GIVEN_NAMES or part in vocabulary.FAMILY_NAMES for part in parts)
    return known and 2 <= len(parts) <= 4 and not any(letter.isdigit() for letter in value) and not _is_company(value)


def _names_a_street(value: str) -> bool:
    folded = fold(value).replace(".", "").replace(",", "").split()
    return any(word in vocabulary.STREET_WORDS or word.endswith(("strasse", "straat", "str")) for word in folded)


def _is_street(value: str) -> bool:
    """A number with a word for street, or a number first and words after it."""
    numbered = re.search(r"\b\d{1,5}\w?\b", value) is not None
    led = re.fullmatch(r"\d+\w? [^\W\d]{3}.*", value) is not None
    return len(value) > 6 and (led or (numbered and _names_a_street(value)))


def _could_be_region(value: str) -> bool:
    folded = fold(value)
    return folded in vocabulary.STATE_CODES or folded in vocabulary.region_names()


def _is_iban(value: str) -> bool:
    """ISO 13616: the check digits make the rearranged number one modulo 97."""
    if not _IBAN.fullmatch(value.upper()):
        return False
    plain = value.upper().replace(" ", "")
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


# What a column looks like: each reader yields what it recognises


def _shapes(contents: Contents) -> Iterator[ContentHint]:
    """Roles with an unmistakable notation."""
    for role, trust, what, fits in _SHAPES:
        share = contents.share(fits)
        if share >= 0.6:
            yield ContentHint(role, trust * share, f"{share:.0%} of the cells look like {what}")


def _dates(contents: Contents) -> Iterator[ContentHint]:
    share = contents.share(is_date)
    if share < 0.6:
        return
    yield ContentHint(Role.DATE, 0.85 * share, f"{share:.0%} of the cells are dates")
    years = sorted(int(found.group()) for value in contents.values if (found := _ANY_YEAR.search(value)))
    if len(years) < 10:
        return
    early, middle = years[len(years) // 20], years[len(years) // 2]
    timed = contents.share(lambda value: (found := _DATE.fullmatch(value)) and found["time"])
    if middle - early >= 15 and middle <= 2005 and timed < 0.5:
        yield ContentHint(
            Role.DATE_OF_BIRTH, 0.9 * share, f"dates spread over decades, half of them before {middle + 1}"
        )


def _numbers(contents: Contents) -> Iterator[ContentHint]:
    share = contents.share(is_number)
    if share < 0.8:
        return
    yield ContentHint(Role.NUMBER, 0.6 * share, f"{share:.0%} of the cells are numbers")
    money = contents.share(_MONEY.fullmatch)
    if money >= 0.6:
        yield ContentHint(Role.AMOUNT, 0.85 * money, f"{money:.0%} of the cells carry a currency sign")
    if contents.repeats and contents.distinct <= 2:
        yield ContentHint(Role.CATEGORY, 0.65, f"only {contents.distinct} different values")


def _postcodes(contents: Contents) -> Iterator[ContentHint]:
    """Bare digits are postcodes only if their length is fixed, they repeat, and they are no years."""
    lettered = contents.share(_LETTERED_POSTCODE.fullmatch)
    if lettered >= 0.5:
        yield ContentHint(Role.POSTCODE, 0.9 * contents.share(_POSTCODE.fullmatch), "written as postcodes are")
        return
    five = contents.share(lambda value: len(value) == 5 and value.isdigit())
    padded = contents.share(lambda value: len(value) == 5 and value[0] == "0")
    if five >= 0.9 and len(contents.values) >= 10 and contents.distinct < 0.98 * contents.rows:
        yield ContentHint(Role.POSTCODE, 0.75 if padded else 0.62, "five digits each, values repeat")


def _places(contents: Contents) -> Iterator[ContentHint]:
    if contents.share(_is_lettered_word) < 0.7 or contents.distinct < 2:
        return
    states = contents.share(lambda value: fold(value) in vocabulary.STATE_CODES)
    regions = max(states, contents.share(lambda value: fold(value) in vocabulary.region_names()))
    countries = contents.share(_is_country_name)
    if len(contents.values) >= 4:  # fewer may be words: "no" is Norway's code
        countries = max(countries, contents.share(_is_country_name_or_code))
    if regions >= 0.6 and states >= countries - 0.15:
        yield ContentHint(Role.REGION, 0.8 * regions, f"{regions:.0%} of the cells are states or provinces")
    elif countries >= 0.6:
        yield ContentHint(Role.COUNTRY, 0.85 * countries, f"{countries:.0%} of the cells are countries")
    if len(contents.values) >= 5 and contents.share(_looks_like_city) >= 0.7:
        cities = contents.share(lambda value: fold(value) in vocabulary.city_names())
        if cities >= 0.3 and contents.share(_is_known_name) < cities / 2:
            yield ContentHint(Role.CITY, min(0.85, 0.5 + 0.5 * cities), f"{cities:.0%} of the cells are known cities")


def _is_country_name(value: str) -> bool:
    return fold(value) in vocabulary.country_names()


def _is_country_name_or_code(value: str) -> bool:
    return _is_country_name(value) or fold(value) in vocabulary.country_codes()


def _is_known_name(value: str) -> bool:
    return fold(value) in vocabulary.GIVEN_NAMES or fold(value) in vocabulary.FAMILY_NAMES


def _looks_like_city(value: str) -> bool:
    return 3 <= len(value) <= 40 and len(value.split()) <= 4 and not any(letter.isdigit() for letter in value)


def _people(contents: Contents) -> Iterator[ContentHint]:
    if len(contents.values) < 10 or contents.share(_is_lettered_word) < 0.7:
        return
    single = contents.share(lambda value: 1 <= len(value.split()) <= 2 and value.replace(" ", "").isalpha())
    given = contents.share(lambda value: fold(value).split(" ")[0] in vocabulary.GIVEN_NAMES)
    family = contents.share(lambda value: fold(value) in vocabulary.FAMILY_NAMES)
    whole = contents.share(_is_person)
    if whole >= 0.3:
        yield ContentHint(Role.NAME, min(0.85, 0.4 + whole), f"{whole:.0%} of the cells hold a known person's name")
    if single >= 0.6 and max(given, family) >= 0.12:
        role, share = (Role.GIVEN_NAME, given) if given >= family else (Role.FAMILY_NAME, family)
        yield ContentHint(role, min(0.85, 0.5 + share), f"{share:.0%} of the cells are known {role.label.lower()}s")


def _organisations(contents: Contents) -> Iterator[ContentHint]:
    share = contents.share(lambda value: _is_company(value) and len(value) <= 90)
    if share >= 0.25 and len(contents.values) >= 10:
        yield ContentHint(Role.COMPANY, min(0.8, 0.45 + share), f"{share:.0%} of the cells name an organisation")


def _streets(contents: Contents) -> Iterator[ContentHint]:
    share = contents.share(_is_street)
    if share < 0.4 or contents.share(_names_a_street) < 0.15:
        return
    whole = contents.share(_TAIL.search)
    role, what = (Role.ADDRESS, "whole addresses") if whole >= 0.4 else (Role.STREET, "street lines")
    yield ContentHint(role, min(0.85, 0.45 + share), f"{share:.0%} of the cells look like {what}")


def _few_values(contents: Contents) -> Iterator[ContentHint]:
    folded = {fold(value) for value in contents.values}
    if (
        len(folded) >= 2
        and folded <= vocabulary.GENDERS
        and folded & {"m", "f", "male", "female", "mannlich", "weiblich"}
    ):
        yield ContentHint(Role.GENDER, 0.85, "the values are genders")
    elif contents.repeats:
        yield ContentHint(Role.CATEGORY, 0.55, f"{contents.distinct} different values in {contents.rows} cells")


def _free_text(contents: Contents) -> Iterator[ContentHint]:
    if contents.values:
        yield ContentHint(Role.TEXT, 0.3, "text of no special shape")


_SHAPES: list[tuple[Role, float, str, Callable[[str], object]]] = [
    (Role.EMAIL, 0.97, "e-mail addresses", _EMAIL.fullmatch),
    (Role.WEBSITE, 0.9, "web addresses", _is_url),
    (Role.PHONE, 0.88, "phone numbers", _looks_like_phone),
    (Role.NATIONAL_ID, 0.9, "social security numbers", _SOCIAL_SECURITY.fullmatch),
    (Role.BANK_ACCOUNT, 0.97, "IBANs with right check digits", _is_iban),
    (
        Role.TAX_ID,
        0.85,
        "EU VAT numbers",
        lambda value: _VAT.fullmatch(value) and any(map(str.isdigit, value[4:])),
    ),
    (
        Role.CURRENCY,
        0.85,
        "currency codes",
        lambda value: fold(value) in vocabulary.currencies(),
    ),
]
_READERS = [
    _shapes,
    _dates,
    _numbers,
    _postcodes,
    _places,
    _people,
    _organisations,
    _streets,
    _few_values,
    _free_text,
]

_COULD_BE: dict[Role, Callable[[str], object]] = {
    Role.EMAIL: lambda value: "@" in value,
    Role.PHONE: _could_be_phone,
    Role.FAX: _could_be_phone,
    Role.WEBSITE: lambda value: "." in value and " " not in value,
    Role.POSTCODE: lambda value: any(map(str.isdigit, value)) and len(value) <= 12,
    Role.JOB_TITLE: lambda value: _is_lettered_word(value) and len(value.split()) <= 5,  # longer: a work's title
    Role.NATIONAL_ID: lambda value: any(map(str.isdigit, value)),
    Role.TAX_ID: lambda value: any(map(str.isdigit, value)),
    Role.HOUSE_NUMBER: lambda value: any(map(str.isdigit, value)) and len(value) <= 10,
    Role.CURRENCY: lambda value: len(value) <= 4 and not value.isdigit(),
    Role.REGION: lambda value: _could_be_region(value) or (len(value) > 1 and _is_lettered_word(value)),
    **dict.fromkeys(
        [
            Role.NAME,
            Role.GIVEN_NAME,
            Role.MIDDLE_NAME,
            Role.FAMILY_NAME,
            Role.CITY,
            Role.COUNTRY,
            Role.JOB_TITLE,
        ],
        _is_lettered_word,
    ),
    **dict.fromkeys([Role.COMPANY, Role.STREET, Role.ADDRESS], _has_letters),
}
_COULD_BE_TYPE: dict[ValueType, Callable[[str], object]] = {
    ValueType.NUMBER: is_number,
    ValueType.DATE: is_date,
}
