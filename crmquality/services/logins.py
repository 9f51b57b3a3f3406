"""Logging in, slowed down for whoever guesses: for the page and the API alike, since both ask this backend.

Counted in the database, so that all web processes count together and a restart forgets nothing. (Tried and rejected:
Django's caches. The one in memory counts a process alone, the others pickle.)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from crmquality.models import FailedLogin
from crmquality.prepared import Prepared, where

WINDOW = timedelta(minutes=15)
OF_NAME_AND_ADDRESS = 5
OF_NAME = 20
"""More than from one address, so that a stranger cannot easily lock somebody out."""

OF_ADDRESS = 100
"""Many people may share an address, behind a proxy all of them."""


class TooManyFailures(ValidationError):
    """Too many wrong passwords. wait: seconds until the next try counts; forms show the message."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many failed logins. Try again in {-(-wait // 60)} minutes, or ask an admin.")
        self.wait = wait


def _users() -> QuerySet[Any]:
    names = ArraySubquery(Group.objects.filter(user=OuterRef("pk")).values("name"))
    return get_user_model().objects.annotate(group_names=names).filter(where('"auth_user"."id" = %s', "user"))


_USER = Prepared(_users)


class ThrottledBackend(ModelBackend):
    """Passwords as Django keeps them, with failures counted."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **credentials: Any
    ) -> Any:
        """The person, or None for a wrong name or password. Raises TooManyFailures before looking at the password."""
        if username is None or password is None:
            return None
        name = _digest("name", username.lower())
        address = _digest("address", request.META.get("REMOTE_ADDR", "") if request else "")
        if _is_locked(name, address):
            raise TooManyFailures(int(WINDOW.total_seconds()))
        user = super().authenticate(request, username=username, password=password, **credentials)
        if user is None:
            FailedLogin.objects.filter(at__lt=timezone.now() - WINDOW).delete()
            FailedLogin.objects.create(name=name, address=address)
        else:
            FailedLogin.objects.filter(name=name, address=address).delete()
        return user

    def get_user(self, user_id: Any) -> Any:
        """The person of a session, with the names of their groups: every request asks for both."""
        user = _USER.first(user=user_id)
        return user if user is not None and self.user_can_authenticate(user) else None


def _is_locked(name: str, address: str) -> bool:
    recent = FailedLogin.objects.filter(Q(name=name) | Q(address=address), at__gte=timezone.now() - WINDOW)
    counts = recent.aggregate(
        both=Count("id", filter=Q(name=name, address=address)),
        name=Count("id", filter=Q(name=name)),
        address=Count("id", filter=Q(address=address)),
    )
    limits = {"both": OF_NAME_AND_ADDRESS, "name": OF_NAME, "address": OF_ADDRESS}
    return any(counts[what] >= limit for what, limit in limits.items())


def _digest(what: str, value: str) -> str:
    return salted_hmac(f"crmquality.failed-login.{what}", value, algorithm="sha256").hexdigest()
