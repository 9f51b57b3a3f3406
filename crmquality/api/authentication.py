"""Tokens of people, ended by a change of the password, and keys of programs, within scopes: hashed, and expiring."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from crmquality.models import ApiKey
from crmquality.services import api_keys


class TokenAuthentication(authentication.TokenAuthentication):
    """`Authorization: Token <user>.<secret>`; the database holds only a keyed digest of the secret."""

    def authenticate_credentials(self, key: str) -> tuple[Any, Any]:
        """The person and the token. Raises AuthenticationFailed without saying which part was wrong."""
        number, _, secret = key.partition(".")
        known = Token.objects.select_related("user").filter(user_id=number) if _is_number(number) else None
        token = known.first() if known is not None else None
        if (
            token is None
            or not token.user.is_active
            or not constant_time_compare(token.key, _digest(token.user, secret))
            or expires(token) <= timezone.now()
        ):
            raise AuthenticationFailed("The token is unknown or has ended.")
        return token.user, token


class KeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Key crmq_...`: acts for the key's person, within the key's scopes and from its pages only."""

    keyword = "Key"

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The person and the key; None if another kind of login was sent.

        Raises AuthenticationFailed without saying what is wrong with the key, PermissionDenied outside of its scopes.
        """
        word, _, text = request.headers.get("Authorization", "").partition(" ")
        if word.lower() != self.keyword.lower():
            return None
        key = api_keys.find(text.strip())
        if key is None:
            raise AuthenticationFailed("The key is unknown, revoked or has ended.")
        origin = request.headers.get("Origin")
        if key.origins and origin not in key.origins:
            raise PermissionDenied("This key may not be used from here.")
        if not api_keys.may(key, asks_check=_asks_check(request), reads=request.method in SAFE_METHODS):
            raise PermissionDenied("The key's scopes do not allow this.")
        if key.origins:
            request._request.allowed_origin = origin  # type: ignore[attr-defined] # for `middleware.AllowedOrigins`
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """What a 401 says to send."""
        return self.keyword


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI file describes it."""

    target_class = KeyAuthentication
    name = "keyAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A header."""
        said = "`Key crmq_...`, made by an admin; its scopes are check, read or write."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": said}


class KeyRateThrottle(SimpleRateThrottle):
    """So many requests a minute a key, counted a web process."""

    scope = "key"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """None where no key was sent."""
        if not isinstance(request.auth, ApiKey):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.pk}


def _asks_check(request: Request) -> bool:
    match = request.resolver_match
    return match is not None and match.url_name == api_keys.CHECK


@transaction.atomic
def issue(user: User) -> tuple[str, Token]:
    """A new token for the person, in place of the old one: what to send, and what is kept."""
    secret = secrets.token_urlsafe(32)
    Token.objects.filter(user=user).delete()
    return f"{user.pk}.{secret}", Token.objects.create(user=user, key=_digest(user, secret))


def expires(token: Token) -> datetime:
    """When the token ends."""
    created: datetime = token.created
    return created + timedelta(days=settings.CRMQUALITY["token_days"])


def _digest(user: Any, secret: str) -> str:
    """Keyed by the person's password hash, as sessions are: a new password ends the token."""
    keyed = salted_hmac("crmquality.token", f"{secret} {user.get_session_auth_hash()}", algorithm="sha256")
    return keyed.hexdigest()[:40]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16
