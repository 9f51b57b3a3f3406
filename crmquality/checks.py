"""System checks: a misconfiguration is an error with an id and a hint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from detectors import registry


@register()
def some_detector_is_installed(**_: Any) -> list[CheckMessage]:
    """The entry points exist only once the project itself is installed."""
    if registry.available():
        return []
    return [Error("No detector is installed.", hint="Install the project: pip install -e .", id="crmquality.E001")]


@register(deploy=True)
def hosts_are_named(**_: Any) -> list[CheckMessage]:
    """A star lets any host name through."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [Warning("Any host name is served.", hint="Set CRMQUALITY_HOSTS.", id="crmquality.W001")]
