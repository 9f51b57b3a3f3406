"""What the OpenAPI file says besides what the endpoints say of themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import resolve

from crmquality.api import promises
from crmquality.api.errors import MEDIA_TYPE

PROBLEM = {
    "type": "object",
    "description": "Any error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What kind of error it is."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, in words."},
        "how": {"type": "string", "description": "How to mend it."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "errors": {
            "type": "array",
            "description": "Where in the request.",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


KEY = {
    "name": promises.KEY,
    "in": "header",
    "schema": {"type": "string", "maxLength": promises.LONGEST_KEY},
    "description": "The same key with the same request does it once and gets the same answer, a day long; else 422.",
}
SEEN = {
    "name": promises.IF_MATCH,
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag that reading it brought; if it changed since, 412, and nothing is written.",
}
PARAMETERS = {"IdempotencyKey": KEY, "IfMatch": SEEN, "IfMatchNeeded": SEEN | {"required": True}}
ETAG = {"schema": {"type": "string"}, "description": "Changes with what it says; send it in If-Match."}


def add_promises(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What every operation keeps to: a key for a POST, If-Match for a write to one thing, an ETag where it is read."""
    result["components"]["parameters"] = PARAMETERS
    for path, operations in result["paths"].items():
        match = resolve(_example(path))
        is_of_one = bool(match.func.initkwargs.get("detail")) if hasattr(match.func, "initkwargs") else False
        for method, operation in operations.items():
            headers = ["IdempotencyKey"] if method == "post" and promises.takes_key(match.url_name or "") else []
            if is_of_one and method != "get":
                is_needed = (match.url_name, method.upper()) in promises.NEED_IF_MATCH
                headers.append("IfMatchNeeded" if is_needed else "IfMatch")
            if is_of_one and method == "get" and "application/json" in operation["responses"]["200"].get("content", {}):
                operation["responses"]["200"]["headers"] = {"ETag": ETAG}
            if headers:
                named = [{"$ref": f"#/components/parameters/{name}"} for name in headers]
                operation["parameters"] = [*operation.get("parameters", []), *named]
    return result


def _example(path: str) -> str:
    """A path with something in place of each parameter."""
    return path.replace("{uid}", str(UUID(int=0))).replace("{id}", "1")


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may answer with a problem."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    answer = {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = answer
    return result
