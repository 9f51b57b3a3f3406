"""Tax numbers, national identifiers and bank accounts: check digits and forms, by python-stdnum."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from types import ModuleType

from stdnum import bic, get_cc_module, iban, luhn
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

from detectors.formats.column import Column, Remark, Remarks
from detectors.roles import Role

_KINDS = {
    Role.TAX_ID: ("vat", "tin", "ein", "businessid", "abn"),
    Role.NATIONAL_ID: (
        "personalid",
        "ssn",
        "tin",
        "idnr",
        "nino",
        "pesel",
        "pps",
        "nif",
        "cpf",
        "ric",
        "aadhaar",
    ),
    Role.BANK_ACCOUNT: ("bankaccount",),
}
_SEPARATORS = re.compile(r"[\s.\-/]+")
_LONGEST = 60


@cache
def _modules(role: Role, region: str) -> tuple[ModuleType, ...]:
    """The number formats of this role that python-stdnum knows for a country (ISO alpha-2)."""
    if not region:
        return ()
    found = (get_cc_module(region.lower(), kind) for kind in _KINDS[role])
    return tuple(module for module in found if module is not None)


@lru_cache(maxsize=262_144)
def verdict(text: str, role: Role, region: str = "") -> tuple[bool | None, str]:
    """Whether a number is right, and its compact form; None if no known format applies to it."""
    text = text.strip()
    if len(text) > _LONGEST:
        return False, text
    compact = _SEPARATORS.sub("", text).upper()
    for module in _applicable(compact, role, region):
        try:
            return True, str(module.validate(text))
        except (ValidationError, ValueError, IndexError, KeyError):
            continue
    known = bool(_applicable(compact, role, region))
    return (False if known else None), compact


def _applicable(compact: str, role: Role, region: str) -> tuple[ModuleType, ...]:
    if role is Role.BANK_ACCOUNT and re.match(r"[A-Z]{2}\d{2}[A-Z0-9]", compact):
        return (iban,)
    if role is Role.BANK_ACCOUNT and re.fullmatch(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", compact):
        return (bic,)
    if role is Role.BANK_ACCOUNT and re.fullmatch(r"\d{15,16}", compact):
        return (luhn,)
    if role is Role.TAX_ID and compact[:2].lower() in vat.MEMBER_STATES and any(sign.isdigit() for sign in compact):
        return (vat,)
    return _modules(role, region)


def _kind(compact: str, role: Role, region: str) -> str:
    """What a number was held against, in words: by its own first letters where those say it, else by the country."""
    module = _applicable(compact, role, region)[0] if len(compact) <= _LONGEST else None
    own = {
        iban: f"IBAN of {compact[:2]}",
        bic: "BIC",
        luhn: "card or account number",
        vat: f"VAT number of {compact[:2]}",
    }
    return own.get(module) or f"known number{f' of {region}' if region else ''}"


def is_valid(text: str, role: Role, region: str = "") -> bool:
    """Whether the number passes a format of its country; without a known format it must hold a digit."""
    right, compact = verdict(text, role, region)
    return any(sign.isdigit() for sign in compact) if right is None else right


def remarks(column: Column) -> Remarks:
    """Right numbers in compact form where the column is compact; wrong check digits to a person."""
    compacted = column.share(lambda text: not _SEPARATORS.search(text))
    found = {}
    for position, value in enumerate(column.values):
        right, compact = verdict(value, column.role, column.key)
        if right is False:
            kind = _kind(compact, column.role, column.key)
            found[position] = Remark("number-check", 0.6, f'"{value[:60]}" is no {kind}: form or check digit.')
        elif right and compact != value and compacted >= 0.5:
            found[position] = Remark("number-compact", 0.5 + 0.4 * compacted, "Written without separators.", compact)
    return found
