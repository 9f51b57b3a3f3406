"""Phone and fax numbers: E.164 by the record's country (ITU-T E.164; numbering plans of phonenumbers)."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

from detectors.formats.column import Column, Remark, Remarks

_E164 = re.compile(r"\+[1-9]\d{6,14}(?: ext\. \d{1,7})?")
_DIGIT = re.compile(r"\d")
_REMARK = re.compile(r"\s*\([^()\d]*\)|(?<=\d)[\s,;/-]+[^\W\d_]{2,}\.?\s*$")
_WHOLE = 7
"""Digits of a whole number: fewer before letters are a number to be dialled by letters ("1-800-FLOWERS")."""
_LONGEST = 60
_INTERNATIONAL = re.compile(r"\s*(?:\+|00|011\s?\d)")


@lru_cache(maxsize=262_144)
def read(text: str, region: str) -> PhoneNumber | None:
    """The number a text holds, valid or not; None if it holds none. region: ISO alpha-2, "" if unknown."""
    if len(text) > _LONGEST or not _DIGIT.search(text):
        return None
    text = re.sub(r"^\s*00(?=[1-9])", "+", _without_remark(text))
    try:
        return phonenumbers.parse(text, region or None)
    except NumberParseException:
        return None


def _without_remark(text: str) -> str:
    """The text without a word behind a whole number ("(home)", "mobile"), whose letters would be dialled as digits."""
    bare = _REMARK.sub("", text)
    return bare if len(_DIGIT.findall(bare)) >= _WHOLE else text


def is_valid(text: str, region: str = "") -> bool:
    """Whether the numbering plan knows the number.

    Without a country and a leading + only the length can be judged: 7 to 15 digits and no letters but "ext".
    """
    number = read(text, region)
    if number is not None:
        return phonenumbers.is_valid_number(number)
    if region or _INTERNATIONAL.match(text):
        return False
    digits = len(_DIGIT.findall(text))
    return 7 <= digits <= 15 and not re.search(r"[^\W\d_]{4,}", text)


def e164(number: PhoneNumber) -> str:
    """The number as +country and digits, with " ext. 12" behind where it has an extension."""
    text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return f"{text} ext. {number.extension}" if number.extension else text


def remarks(column: Column) -> Remarks:
    """Propose E.164 for valid numbers, ask about the rest.

    column.key: the country of these rows; where it is unknown, the country that most of the whole column's
        rows were read for is tried, at a lower score.
    A column that is written in one national style throughout is a choice; its proposals score lower.
    """
    whole = column.whole or column
    style = 0.6 + 0.37 * min(1.0, 2 * whole.share(lambda text: _E164.fullmatch(text) is not None))
    found = {}
    for position, value in enumerate(column.values):
        remark = _remark(value, column.key, style)
        if remark is not None:
            found[position] = remark
    return found


def _remark(text: str, region: str, style: float) -> Remark | None:
    number = read(text, region)
    if number is None:
        if not region and not _INTERNATIONAL.match(text) and is_valid(text):
            return None
        return Remark("phone-invalid", 0.75, f'"{text[:80]}" is no phone number.')
    if not phonenumbers.is_valid_number(number):
        return Remark("phone-unassigned", 0.5, f'"{text[:80]}" is in no numbering plan of +{number.country_code}.')
    proposed = e164(number)
    if proposed == text:
        return None
    if number.country_code_source or not region:
        why = f"Written with its country code as {proposed}."
    else:
        why = f"A number of {region}, where the record is: {proposed}."
    return Remark("phone-e164", style, why, proposed)
