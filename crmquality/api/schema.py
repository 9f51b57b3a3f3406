"""What the OpenAPI file says besides what the endpoints say of themselves."""

from __future__ import annotations

from typing import Any

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
