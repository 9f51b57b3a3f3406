"""What every page's frame shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The person's roles, for the menu; empty for a visitor."""
    return {}
