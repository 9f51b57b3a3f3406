"""Headers on every answer, and a plain page while the database is away."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from crmquality.services import api_keys, masking
from crmquality.services.api_keys import CHECK

Handler = Callable[[HttpRequest], HttpResponse]
logger = logging.getLogger(__name__)

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


class ContentSecurityPolicy:
    """A hostile cell that slips through an escape still runs nothing (no inline script, no other host)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response


class SeenBy:
    """What is shown from here on is shown to whoever asks: personal values are masked as policy says."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with masking.seen_by(lambda: request.user):  # read late: the API finds out who it is by its token
            return self.get_response(request)


class AllowedOrigins:
    """Scripts of other web pages may check at entry: those whose page an admin named for an API key, and nothing else.

    A browser asks first, without the key, so it is told yes for a page of any key in force; the key says the rest.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        origin = getattr(request, "allowed_origin", None)
        if origin:
            response["Access-Control-Allow-Origin"] = origin
            patch_vary_headers(response, ["Origin"])
        return response

    def process_view(self, request: HttpRequest, view: Handler, *_: object) -> HttpResponse | None:
        """Answer a browser that asks whether a script may."""
        origin = request.headers.get("Origin", "")
        asks_first = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks_first or request.resolver_match is None or request.resolver_match.url_name != CHECK:
            return None
        answer = HttpResponse(status=204, headers={"Vary": "Origin"})
        if api_keys.is_known_origin(origin):
            request.allowed_origin = origin  # type: ignore[attr-defined]
            answer["Access-Control-Allow-Methods"] = "POST"
            answer["Access-Control-Allow-Headers"] = "authorization, content-type"
            answer["Access-Control-Max-Age"] = "7200"
        return answer


class ServiceUnavailable:
    """A database that is away is 503 with Retry-After, not an error page."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Handler, *_: object) -> HttpResponse | None:
        """Look up who is asking here: a failure in a later middleware would become an error page."""
        try:
            request.user.is_authenticated  # noqa: B018 - the look-up is lazy
        except (OperationalError, InterfaceError) as error:
            return self.process_exception(request, error)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 where the database could not be reached."""
        if not isinstance(exception, (OperationalError, InterfaceError)):
            return None
        logger.error("The database did not answer: %s", type(exception).__name__)
        response: HttpResponse
        if request.path.startswith("/api/"):
            detail = "The database is away; try again soon."
            problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail}
            response = JsonResponse(problem, status=503, content_type="application/problem+json")
        else:
            response = HttpResponse(render_to_string("errors/503.html"), status=503)
        response["Retry-After"] = "5"
        return response
