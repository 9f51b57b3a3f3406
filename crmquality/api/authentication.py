"""Tokens: hashed where they are kept, expiring, ended by a change of the password."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework import authentication
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import AuthenticationFailed


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
