"""Login by token."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import Throttled, ValidationError
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crmquality.api.authentication import expires, issue
from crmquality.api.base import sent
from crmquality.api.serializers import Credentials, IssuedToken
from crmquality.services.logins import TooManyFailures


class TokenEndpoint(APIView):
    """A person's token; a new one replaces the one before."""

    def get_authenticators(self) -> Any:
        """None for logging in: whoever has no token yet, or an old one, must get through."""
        return [] if self.request is not None and self.request.method == "POST" else super().get_authenticators()

    def get_permissions(self) -> Any:
        """Anybody may log in; only who is logged in can log out."""
        return [AllowAny()] if self.request.method == "POST" else [IsAuthenticated()]

    @extend_schema(request=Credentials, responses={201: IssuedToken}, auth=[])
    def post(self, request: Request) -> Response:
        """Log in. 429 after too many failures, for a while."""
        try:
            user = authenticate(request._request, **sent(Credentials, request))
        except TooManyFailures as refused:
            raise Throttled(refused.wait, str(refused.message)) from None
        if not isinstance(user, User):
            raise ValidationError("The user name or the password is wrong.")
        secret, token = issue(user)
        answer = IssuedToken({"token": secret, "expires": expires(token)})
        return Response(answer.data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Log out: the token ends."""
        Token.objects.filter(user_id=int(request.user.pk or 0)).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
