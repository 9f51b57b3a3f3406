"""Errors as problem JSON (RFC 9457): what happened, where, and how to mend it. No value of a record stands in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from crmquality.services.errors import Conflict, Refused

MEDIA_TYPE = "application/problem+json"
HOW = {
    400: "Mend what `detail` and `errors` name, and send it again.",
    401: "Send the header `Authorization: Token ...`; POST /api/v1/token/ gives you one.",
    403: "Ask an admin for a role that may do this.",
    404: "Check the address and the id: you find only what your role may see.",
    405: "Use one of the methods in the Allow header.",
    406: "Accept application/json.",
    409: "Read it again and decide anew.",
    412: "Read the record again, and send its ETag in If-Match.",
    415: "Send application/json; a file as multipart/form-data.",
    422: "Use a new Idempotency-Key for a new request.",
    428: "Read the record first, and send its ETag in If-Match.",
    429: "Wait as many seconds as Retry-After says.",
    500: "Try again; if it stays, tell an admin the time of this answer.",
}


class PreconditionFailed(APIException):
    """The record is no longer the one that the ETag names."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "The record changed since you read it; nothing was written."


class PreconditionRequired(APIException):
    """A change without If-Match could overwrite somebody else's."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = "A change needs the header If-Match."


class KeyReused(APIException):
    """An idempotency key came with another request than the first time."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key was used for another request."


def problem(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The answer to an error: a refusal is 400, a conflict 409. None for what nobody foresaw."""
    if isinstance(error, Refused):
        code = status.HTTP_409_CONFLICT if isinstance(error, Conflict) else status.HTTP_400_BAD_REQUEST
        answer = Response(status=code)
        detail, errors = str(error), []
    else:
        handled = exception_handler(error, dict(context))
        if handled is None:
            return None
        answer = handled
        errors = list(_flat(answer.data)) if isinstance(error, ValidationError) else []
        detail = words(error) if isinstance(error, ValidationError) else str(answer.data["detail"])
    request = context.get("request")
    if isinstance(request, Request):  # a problem is JSON, also where what was asked for is not
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
    answer.data = body(answer.status_code, detail, errors=errors, path=request.path if request else "")
    answer.content_type = MEDIA_TYPE
    return answer


def words(error: ValidationError) -> str:
    """What is wrong with a value, in one line."""
    return "; ".join(_said(one) for one in _flat(error.detail))


def body(code: int, detail: str, *, errors: list[dict[str, str]] | None = None, path: str = "") -> dict[str, Any]:
    """The fields of a problem; empty ones are left out."""
    said = {
        "type": "about:blank",
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": detail,
        "how": HOW.get(code, ""),
        "instance": path,
        "errors": errors,
    }
    return {name: value for name, value in said.items() if value}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 outside of a view."""
    return _outside(request, 400, "The request is malformed.") or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 outside of an API view."""
    return _outside(request, 403, "This is not allowed.") or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 of an address that is none."""
    return _outside(request, 404, "There is nothing at this address.") or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: says that it failed, never on which values."""
    return _outside(request, 500, "Something failed here.") or defaults.server_error(request)


def _outside(request: HttpRequest, code: int, detail: str) -> HttpResponse | None:
    if not request.path.startswith("/api/"):
        return None
    return JsonResponse(body(code, detail, path=request.path), status=code, content_type=MEDIA_TYPE)


def _flat(data: Any, where: str = "") -> Iterator[dict[str, str]]:
    """Nested messages as a list, each with the dotted path of the field it is about."""
    if isinstance(data, Mapping):
        for name, inner in data.items():
            yield from _flat(inner, "" if name == "non_field_errors" else f"{where}.{name}".lstrip("."))
    elif isinstance(data, list):
        for inner in data:
            yield from _flat(inner, where)
    else:
        yield {"where": where, "detail": str(data)}


def _said(error: dict[str, str]) -> str:
    return f"{error['where']}: {error['detail']}" if error["where"] else error["detail"]
