"""A source by the name that a person types."""

from __future__ import annotations

from crmquality.models import Source
from crmquality.services.errors import Refused


def named(name: str) -> Source:
    """The source of this name. Raises Refused, with the names there are."""
    source = Source.objects.filter(name=name).first()
    if source is None:
        known = ", ".join(Source.objects.values_list("name", flat=True)) or "none yet"
        raise Refused(f"There is no source {name!r}: there are {known}.")
    return source
