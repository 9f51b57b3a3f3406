"""Answers of the API that a repetition of their request gets again."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class KeptAnswer(models.Model):
    """What a request with an Idempotency-Key was answered, kept a day: the same key with the same body gets it again.

    digest: SHA-256 of method, path and body. body: JSON as it was sent; null for none. etag: "" for none.
    """

    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=80)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField(null=True)  # noqa: DJ001 - null is an answer without a body
    etag = models.CharField(max_length=80, blank=True, default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["by", "key"], name="one_kept_answer_per_key")]
        indexes = [models.Index(fields=["at"], name="kept_answers_by_time")]

    def __str__(self) -> str:
        return f"answer {self.pk}"
