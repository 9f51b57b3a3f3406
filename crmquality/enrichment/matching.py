"""Keys by which look-ups are asked, and whether two values are the same; pure."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from detectors.roles import Role

_LEGAL = re.compile(r"\b(?:gmbh|inc|incorporated|ltd|limited|llc|plc|ag|kg|sa|srl|spa|bv|nv|co|corp|corporation)\b")
_FREE_MAIL = {
    "gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com", "live.com", "icloud.com", "aol.com",
    "gmx.de", "gmx.net", "web.de", "mail.ru", "qq.com", "proton.me", "protonmail.com",
}  # fmt: skip
SCORES = {
    Role.TAX_ID: 0.97, Role.NATIONAL_ID: 0.97, Role.EMAIL: 0.95, Role.WEBSITE: 0.9, Role.PHONE: 0.8,
    Role.COMPANY: 0.6, Role.NAME: 0.5,
}  # fmt: skip
"""How far a key identifies its holder. Where to cut is an admin's choice, as for every detector."""

DIFFERS = 0.2
"""A value that would replace another is claimed less strongly than one that fills a blank."""


def key_of(role: Role, text: str | None) -> str:
    """The key of a value: equal for spellings of the same; "" where it identifies nobody.

    A domain of a website; of an e-mail address that is used as a website's, its domain, unless anybody can have one.
    """
    value = unicodedata.normalize("NFKC", text or "").strip().casefold()
    match role:
        case Role.WEBSITE:
            return _domain(value)
        case Role.EMAIL:
            return value if value.count("@") == 1 else ""
        case Role.PHONE:
            digits = re.sub(r"\D", "", value)
            return digits[-9:] if len(digits) >= 7 else ""
        case Role.TAX_ID | Role.NATIONAL_ID:
            return re.sub(r"[\W_]", "", value).upper()
    words = re.sub(r"[\W_]+", " ", value).strip()
    return " ".join(_LEGAL.sub(" ", words).split()) or words if role is Role.COMPANY else words


def same(role: Role, one: str, other: str) -> bool:
    """Whether two values say the same, whatever their spelling."""
    keys = [key_of(role, text) or text.strip().casefold() for text in (one, other)]
    return keys[0] == keys[1]


def _domain(value: str) -> str:
    if value.count("@") == 1 and "/" not in value:
        domain = value.rpartition("@")[2]
        return "" if domain in _FREE_MAIL else domain
    try:
        host = urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:
        return ""
    host = host.removeprefix("www.")
    return host if "." in host and " " not in host else ""
