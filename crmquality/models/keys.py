"""Keys by which programs and forms ask the API."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class ApiKey(models.Model):
    """A key that acts for a person, within its scopes. It was shown once, when it was made.

    prefix: its beginning, by which it is found and named. digest: SHA-256 of its secret of 256 random bits: long enough
        that nothing slower is needed.
    scopes: "check", "read", "write". origins: the web pages (scheme://host[:port]) whose scripts alone may use it.
    """

    class Scope(models.TextChoices):
        """What a key may do, of what its person may."""

        CHECK = "check", "Check records while they are typed, and nothing else"
        READ = "read", "Read"
        WRITE = "write", "Read and write"

    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=10))
    origins = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"crmq_{self.prefix}_..."
