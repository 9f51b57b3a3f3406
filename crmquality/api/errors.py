"""Errors as problem JSON (RFC 9457)."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from crmquality.services.errors import Conflict, Refused


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """{"title", "status", "detail"} with the media type of problems; a refusal is 400, a conflict 409."""
    if isinstance(error, Conflict):
        answer: Response | None = Response(status=status.HTTP_409_CONFLICT)
        detail: Any = str(error)
    elif isinstance(error, Refused):
        answer, detail = Response(status=status.HTTP_400_BAD_REQUEST), str(error)
    else:
        answer = exception_handler(error, context)
        if answer is None:
            return None
        detail = answer.data.get("detail", answer.data) if isinstance(answer.data, dict) else answer.data
    answer.data = {"title": answer.status_text, "status": answer.status_code, "detail": detail}
    answer.content_type = "application/problem+json"
    return answer
