"""What a person calls a record, and how a value reads in a sentence."""

from __future__ import annotations

from crmquality.models import Record
from crmquality.services import masking
from detectors.roles import Role

_NAMES = (Role.NAME, Role.GIVEN_NAME, Role.FAMILY_NAME)
_ELSE = (Role.COMPANY, Role.EMAIL)


def title(record: Record) -> str:
    """Its name, company or e-mail, else its id; masked for whoever looks."""
    record = masking.current().record(record)
    names = [value for role in _NAMES if (value := record.value(role))]
    if names:
        return " ".join(names)
    return next((value for role in _ELSE if (value := record.value(role))), None) or record.external_id


def shown(value: str | None) -> str:
    """A value in quotes, or that it is blank."""
    return f"“{value}”" if value else "(blank)"
