"""Words typed where nothing was known: "N/A", "unknown", "-". They count as missing, not as values."""

from __future__ import annotations

import re

from detectors.formats.column import Remark
from detectors.roles import Role, ValueType

PLACEHOLDERS = (
    r"(?i:n\s*/\s*a\.?|#n/a|n\.a\.|null|\(null\)|nil|nan|none given"
    r"|not (?:available|applicable|known|provided|given)"
    r"|unknown|unbekannt|inconnu|desconocid[oa]|sconosciut[oa]|tbd|tbc|to be (?:determined|confirmed)"
    r"|k\.?\s?a\.?|<\s*(?:null|none|empty|blank)\s*>|missing|blank)|[-–—_.?*/\\]+|#(?:ref|value|name|div/0)[!?]"
)
"""What says that nothing is known, as a regular expression."""

_SURE = re.compile(PLACEHOLDERS)
_NOT_A_PERSON = re.compile(r"(?i:x{2,}|test(?:er|ing)?|asdf\w*|qwerty\w*|dummy|foo|bar|abc|none|na|n a|no name|noname)")
_PEOPLE = {
    Role.NAME,
    Role.GIVEN_NAME,
    Role.FAMILY_NAME,
    Role.COMPANY,
    Role.EMAIL,
    Role.PHONE,
    Role.FAX,
    Role.WEBSITE,
}
_REPEATED = re.compile(r"(\d)\1{6,}|0?123456789?0?")


def is_placeholder(text: str, role: Role = Role.TEXT) -> bool:
    """Whether the text stands for "we do not know" in a column of this role."""
    text = text.strip()
    if _SURE.fullmatch(text):
        return True
    return role.value_type in {ValueType.NUMBER, ValueType.DATE} and text.lower() in {
        "none",
        "na",
        "0000-00-00",
    }


def remark(text: str, role: Role) -> Remark | None:
    """Empty a placeholder; ask about a name, e-mail or phone that looks typed only to get past a form."""
    shown = text.strip()
    if is_placeholder(shown, role):
        return Remark(
            "placeholder", 0.85, f'"{shown}" says that nothing is known; leave the field empty.', empties=True
        )
    if role in _PEOPLE and _NOT_A_PERSON.fullmatch(shown):
        return Remark("placeholder-name", 0.5, f'"{shown}" looks typed only to fill the field.')
    if role in {Role.PHONE, Role.FAX} and _REPEATED.fullmatch(re.sub(r"\D", "", shown)):
        return Remark("placeholder-phone", 0.75, f'"{shown}" is no real number.')
    return None
