"""What every page's frame shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from crmquality.models import Alarm
from crmquality.services import access, alarms
from crmquality.services.access import UserRole
from review.models import ReviewItem

Menu = list[tuple[str, str, tuple[UserRole, ...]]]
MANY = 1_000
MENU: Menu = [
    ("own", "My accounts", (UserRole.SALES,)),
    ("dashboard", "Dashboard", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("queue", "Review", (UserRole.STEWARD, UserRole.SALES)),
    ("sources", "Sources", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("alarms", "Alarms", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("runs", "Runs", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("decisions", "Decisions", (UserRole.STEWARD, UserRole.SALES, UserRole.AUDITOR)),
    ("changes", "Changes", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("check", "Check at entry", (UserRole.STEWARD, UserRole.SALES)),
    ("questions", "Questions", (UserRole.STEWARD, UserRole.SALES, UserRole.AUDITOR)),
]
OVERSIGHT: Menu = [
    ("predictions", "Predictions", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("thresholds", "Thresholds", (UserRole.ADMIN, UserRole.AUDITOR)),
    ("evaluations", "Evaluation", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("people", "People", (UserRole.ADMIN,)),
    ("access", "Access", (UserRole.ADMIN, UserRole.AUDITOR)),
    ("disclosures", "Disclosures", (UserRole.ADMIN, UserRole.AUDITOR)),
    ("models", "Models", (UserRole.ADMIN, UserRole.AUDITOR)),
    ("bake-offs", "Bake-off", (UserRole.ADMIN, UserRole.AUDITOR)),
    ("destinations", "Destinations", (UserRole.ADMIN, UserRole.AUDITOR)),
    ("keys", "API keys", (UserRole.ADMIN, UserRole.AUDITOR)),
    ("connections", "Connections", (UserRole.STEWARD, UserRole.AUDITOR)),
    ("outbox", "Outbox", (UserRole.STEWARD, UserRole.AUDITOR)),
]


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The menus of the person's roles, the number of open items, and the theme; empty for a visitor."""
    theme = request.COOKIES.get("theme", "")
    frame: dict[str, Any] = {"theme": theme if theme in {"light", "dark"} else "auto"}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or request.headers.get("HX-Request"):
        return frame | _may(user)
    backlog = ReviewItem.objects.open()[: MANY + 1].count() if access.sees_everything(user) else 0
    standing = Alarm.objects.filter(state__in=alarms.ACTIVE)[: MANY + 1].count() if access.sees_everything(user) else 0
    counts = {"queue": _shown(backlog), "alarms": _shown(standing)}
    entries = [entry | {"count": counts.get(entry["name"], 0)} for entry in _entries(request, MENU)]
    return frame | _may(user) | {"navigation": entries, "oversight": _entries(request, OVERSIGHT)}


def _shown(count: int) -> str | int:
    return f"{MANY}+" if count > MANY else count


def _entries(request: HttpRequest, menu: Menu) -> list[dict[str, Any]]:
    """The entries of a menu that the person may use. current: the page is this one or below it."""
    return [
        {
            "name": name,
            "label": label,
            "url": (url := reverse(name)),
            "current": request.path == url or (name != "dashboard" and request.path.startswith(url)),
        }
        for name, label, roles in menu
        if access.has_role(request.user, *roles) and (name != "own" or UserRole.SALES in access.roles_of(request.user))
    ]


def _may(user: Any) -> dict[str, Any]:
    """Which buttons a page shows; the views decide. may_write: all but auditors."""
    if user is None or not user.is_authenticated:
        return {}
    is_steward = access.has_role(user, UserRole.STEWARD)
    return {
        "is_steward": is_steward,
        "may_write": is_steward or access.has_role(user, UserRole.SALES),
        "is_admin": access.has_role(user, UserRole.ADMIN),
    }
