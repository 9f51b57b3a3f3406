"""What people whose records these are say of their own accord: values they corrected, and questions they ask."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models import ChangeSet, Record
from review.models.items import ReviewItem


class VerifiedValue(models.Model):
    """A value that a person corrected where no claim was open: a fault that every detector missed, and its mend.

    It counts while its change set stands: `review.services.fixing.verified_values` reads it. Where a claim was open,
    the correction is that claim's Decision and stands there.
    """

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")
    field = models.TextField()
    was = models.TextField(null=True)  # noqa: DJ001 - null is a value here: the field was blank
    value = models.TextField(null=True)  # noqa: DJ001
    change_set = models.OneToOneField(ChangeSet, on_delete=models.CASCADE, related_name="verified_value")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.field} of record {self.record_id}"


class Question(models.Model):
    """What somebody asks the stewards about a record of theirs; item: the claim it is about, if it is about one.

    Stewards see it on every card of the record, and answer it there or in the list of questions.
    """

    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="+")
    item = models.ForeignKey(ReviewItem, null=True, blank=True, on_delete=models.SET_NULL, related_name="questions")
    text = models.TextField(max_length=2_000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="questions")
    at = models.DateTimeField(db_default=Now())
    answer = models.TextField(blank=True, max_length=2_000)
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="open_questions", condition=Q(answered_at__isnull=True))]

    def __str__(self) -> str:
        return f"question {self.pk}"
