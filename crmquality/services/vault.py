"""Secrets of connections: encrypted with a key that is not in the database.

The key is `connection_key` of HOME/secrets.json, or $CRMQUALITY_CONNECTION_KEYS: one or several, separated by commas.
The first encrypts, all decrypt: a key is changed by putting a new one in front and saving each connection again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from crmquality import embedded
from crmquality.services.errors import Refused


def seal(secrets: Mapping[str, str], *, bound_to: Any) -> bytes:
    """Encrypt secrets. bound_to: whose they are; copied to another row, they cannot be opened."""
    return _keys().encrypt(json.dumps({"for": str(bound_to), "secrets": dict(secrets)}).encode())


def unseal(sealed: bytes | memoryview, *, bound_to: Any) -> dict[str, str]:
    """The secrets. Raises Refused if the key has changed, or they are not of this one."""
    if not sealed:
        return {}
    try:
        found = json.loads(_keys().decrypt(bytes(sealed)))
    except InvalidToken:
        found = {}
    if found.get("for") != str(bound_to):
        raise Refused("The key that its secrets were encrypted with has changed: give the secrets anew.")
    return dict(found["secrets"])


def _keys() -> MultiFernet:
    given = os.environ.get("CRMQUALITY_CONNECTION_KEYS", "")
    words = [word.strip() for word in given.split(",") if word.strip()]
    words = words or [embedded.secrets(settings.HOME).connection_key]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(word.encode()).digest())) for word in words])
