"""What the views share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from crmquality.services import access
from crmquality.services.access import UserRole, require

View = Callable[..., HttpResponseBase]
EVERYONE, STAFF, DECIDERS = access.EVERYONE, access.STAFF, access.DECIDERS


def for_roles(*roles: UserRole) -> Callable[[View], View]:
    """Only people of these roles (and admins) get in; others are told that their role does not allow it."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            require(request.user, *roles)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def attachment(pieces: Iterable[bytes], name: str) -> HttpResponseBase:
    """A CSV file to be taken."""
    answer = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
    header = content_disposition_header(as_attachment=True, filename=name)
    answer["Content-Disposition"] = header or "attachment"
    return answer


def number(text: str | None) -> int | None:
    """A whole number from a query, None if it is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None
