"""The queue's filters as they stand in an address or a form."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from crmquality.models import Source
from crmquality.services import access
from crmquality.services.access import UserRole
from detectors import registry
from review.selectors import listing
from review.services import desks
from review.services.filtering import Filters, Sort
from review.views.common import number

FOLDED = {"assigned", "segment", "owner", "rule", "min_score", "max_score", "min_age", "max_age"}
"""Filters that the page keeps folded away until they are used."""


def frame(request: HttpRequest) -> dict[str, Any]:
    """What the queue's filters and saved views need, on the desk and on the list."""
    filters = asked_filters(request.GET)
    query = filters.as_query()
    everything = access.sees_everything(request.user)
    return {
        "filters": filters,
        "query": query,
        "address": urlencode(query),
        "narrowed": bool(FOLDED & set(query)),
        "sources": Source.objects.all() if everything else [],
        "detectors": list(registry.available()),
        "people": listing.deciders() if everything else [],
        "segments": listing.segments() if everything else [],
        "sorts": Sort.choices,
        "views": desks.views_for(request.user),
        "may_save": access.has_role(request.user, UserRole.STEWARD, UserRole.SALES),
        "may_sample": access.has_role(request.user, UserRole.STEWARD),
        "may_share": access.has_role(request.user, UserRole.ADMIN),
    }


def asked_filters(asked: QueryDict) -> Filters:
    """The filters of a request; what is no filter, or makes no sense, is left out."""
    sort = asked.get("sort", "")
    return Filters(
        source=number(asked.get("source")),
        detector=_text(asked, "detector", 60),
        action=_text(asked, "action", 10),
        rule=_text(asked, "rule", 120),
        min_score=_share(asked.get("min_score"), 0.0),
        max_score=_share(asked.get("max_score"), 1.0),
        record=number(asked.get("record")),
        segment=_text(asked, "segment", 200),
        owner=_text(asked, "owner", 200),
        assigned=_text(asked, "assigned", 150),
        min_age=min(number(asked.get("min_age")) or 0, 36_500),
        max_age=None if (age := number(asked.get("max_age"))) is None else min(age, 36_500),
        mine=asked.get("mine") == "1",
        pattern=_text(asked, "pattern", 32),
        like=number(asked.get("like")),
        lot=number(asked.get("lot")),
        sort=Sort(sort) if sort in Sort.values else Sort.RANK,
    )


def _text(asked: QueryDict, name: str, longest: int) -> str:
    value: Any = asked.get(name, "")
    return str(value).replace("\0", "")[:longest].strip()


def _share(text: str | None, otherwise: float) -> float:
    """A score between 0 and 1."""
    try:
        value = float(text or otherwise)
    except ValueError:
        return otherwise
    return value if 0 <= value <= 1 else otherwise
