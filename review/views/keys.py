"""API keys: made, shown once, revoked."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from crmquality.models import ApiKey
from crmquality.services import access, api_keys
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.views.common import for_roles, number

USUAL_DAYS = 365


@never_cache
@for_roles(UserRole.AUDITOR)
def index(request: HttpRequest) -> HttpResponse:
    """All keys, without their secrets; an admin makes one, and sees its secret in the answer and never again."""
    shown: dict[str, Any] = {"form": {"days": USUAL_DAYS, "scopes": ["check"]}}
    if request.method == "POST":
        access.require(request.user, UserRole.ADMIN)
        shown = _made(request)
    keys = ApiKey.objects.select_related("user", "created_by")
    context = {
        "keys": [(key, api_keys.in_force(key)) for key in keys],
        "people": User.objects.filter(is_active=True).order_by("username"),
        "scopes": ApiKey.Scope.choices,
        "most": api_keys.MOST_DAYS,
    }
    return render(request, "keys/index.html", context | shown)


@for_roles(UserRole.ADMIN)
@require_POST
def revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    """End a key at once."""
    key = get_object_or_404(ApiKey, pk=key_id)
    if api_keys.revoke(key):
        messages.success(request, f"{key.name} is revoked.")
    else:
        messages.error(request, f"{key.name} was revoked already.")
    return redirect("keys")


def _made(request: HttpRequest) -> dict[str, Any]:
    given = {name: request.POST.get(name, "").replace("\0", "") for name in ("name", "user", "origins", "days")}
    scopes = request.POST.getlist("scopes")
    form = given | {"scopes": scopes}
    person = User.objects.filter(pk=number(given["user"]) or 0).first()
    try:
        if person is None:
            raise Refused("Choose the person it acts for.")
        secret, key = api_keys.make(
            name=given["name"],
            user=person,
            scopes=scopes,
            origins=given["origins"].split(),
            days=number(given["days"]) or 0,
            by=request.user,
        )
    except Refused as refusal:
        return {"form": form, "error": str(refusal)}
    return {"form": {"days": USUAL_DAYS, "scopes": ["check"]}, "secret": secret, "made": key}
