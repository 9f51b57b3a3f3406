"""Sensitive attributes (gender, age, origin ...): nobody guesses them unless an admin says so, source by source."""

from __future__ import annotations

from collections.abc import Collection

from crmquality.models import Source
from crmquality.services.errors import Refused
from detectors.prediction.sensitive import is_sensitive


def sensitive_columns(source: Source) -> list[str]:
    """The source's columns that hold a sensitive attribute, by their role or a word of their name."""
    return [name for name, role in source.column_roles.items() if is_sensitive(name, role)]


def allowed_columns(source: Source) -> frozenset[str]:
    """Those of them whose blanks detectors may propose to fill; a column that is gone or renamed is none."""
    return frozenset(source.sensitive_allowed) & frozenset(sensitive_columns(source))


def allow(*, source: Source, columns: Collection[str]) -> Source:
    """Let blanks of these columns be filled by detectors and in analysis exports, and of no other sensitive one.

    Raises Refused if one is no sensitive column of the source.
    """
    wrong = sorted(set(columns) - set(sensitive_columns(source)))
    if wrong:
        raise Refused(f"{', '.join(map(repr, wrong))}: no sensitive column of source {source.name!r}.")
    source.sensitive_allowed = sorted(columns)
    source.save(update_fields=["sensitive_allowed"])
    return source
