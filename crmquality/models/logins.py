"""Failed logins, counted so that guessing passwords is slow."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class FailedLogin(models.Model):
    """One wrong password. Names and addresses are kept as keyed digests: nobody can be read out of this table."""

    name = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["at"], name="failed_login_by_time")]

    def __str__(self) -> str:
        return f"failed login {self.pk}"
