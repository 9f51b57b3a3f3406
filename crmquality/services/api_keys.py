"""API keys: made by an admin, shown once, kept as a digest, held to their scopes, revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from crmquality.models import ApiKey
from crmquality.services.errors import Refused

CHECK = "api-check-list"
"""The one route that a key of the scope "check" opens."""
MOST_DAYS = 730
MOST_ORIGINS = 20
SEEN_EVERY = timedelta(minutes=1)
_NOBODY = hashlib.sha256(b"").hexdigest()

Scope = ApiKey.Scope


def make(
    *, name: str, user: Any, scopes: Collection[str], origins: Collection[str], days: int, by: Any
) -> tuple[str, ApiKey]:
    """A new key: what to send, which is not kept, and what is kept.

    Raises Refused if a scope is unknown, an origin is none, or a key for a web page could do more than check.
    """
    name = name.strip()
    if not name or len(name) > 80:
        raise Refused("Give the key a name of at most 80 characters: what it is for.")
    if not scopes or not set(scopes) <= set(Scope.values):
        raise Refused(f"Choose what it may do: {', '.join(Scope.values)}.")
    if not 1 <= days <= MOST_DAYS:
        raise Refused(f"A key ends after 1 to {MOST_DAYS} days.")
    if not user.is_active:
        raise Refused("The person it acts for is not active.")
    pages = list(dict.fromkeys(_origin(one) for one in origins if one.strip()))
    if len(pages) > MOST_ORIGINS:
        raise Refused(f"A key has at most {MOST_ORIGINS} web pages.")
    if pages and set(scopes) != {Scope.CHECK.value}:
        raise Refused("Everybody can read a key that stands in a web page: such a one may only check.")
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        name=name,
        prefix=prefix,
        digest=_digest(secret),
        scopes=sorted(set(scopes)),
        origins=pages,
        user=user,
        expires_at=timezone.now() + timedelta(days=days),
        created_by=by,
    )
    return f"crmq_{prefix}_{secret}", key


def revoke(key: ApiKey) -> bool:
    """End a key now, for good; False if it was revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now()))


def find(text: str) -> ApiKey | None:
    """The key that was sent, if it is in force; None without saying why not."""
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    known = ApiKey.objects.select_related("user").filter(prefix=prefix[:8].replace("\0", "")).first()
    matches = constant_time_compare(known.digest if known else _NOBODY, _digest(secret))  # as long for an unknown one
    if known is None or not matches or mark != "crmq" or not in_force(known) or not known.user.is_active:
        return None
    _note_use(known)
    return known


def in_force(key: ApiKey) -> bool:
    """Whether it is neither revoked nor over."""
    return key.revoked_at is None and key.expires_at > timezone.now()


def may(key: ApiKey, *, asks_check: bool, reads: bool) -> bool:
    """Whether a key's scopes cover a request; what its person may do is asked besides."""
    if Scope.WRITE in key.scopes:
        return True
    return (asks_check and Scope.CHECK in key.scopes) or (reads and Scope.READ in key.scopes)


def is_known_origin(origin: str) -> bool:
    """Whether an admin named this web page for a key in force; False while the database is away."""
    if not origin or "\0" in origin:
        return False
    try:
        keys = ApiKey.objects.filter(revoked_at__isnull=True, expires_at__gt=timezone.now())
        return keys.filter(origins__contains=[origin]).exists()
    except DatabaseError:
        return False


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    long_ago = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - SEEN_EVERY)
    ApiKey.objects.filter(long_ago, pk=key.pk).update(last_used_at=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _origin(text: str) -> str:
    """A web page's origin as browsers send it. Raises Refused."""
    parts = urlsplit(text.strip().rstrip("/").lower())
    try:
        is_bare = not (parts.path or parts.query or parts.fragment or parts.username)
        is_good = parts.scheme in {"http", "https"} and parts.hostname and is_bare and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not parts.netloc.isascii() or len(text) > 200:
        raise Refused(
            f"{text.strip()[:80]!r} is no web page's origin: give scheme and host, such as https://crm.example.com."
        )
    return f"{parts.scheme}://{parts.netloc}"
