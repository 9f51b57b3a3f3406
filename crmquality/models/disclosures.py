"""Who may read personal values, and who did."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from crmquality.models.records import Record, Source


class AccessPolicy(models.Model):
    """What an admin settled for a source: who sees personal values masked, and what sales people decide themselves.

    A new version for every change, none edited; the newest is in force. Without one nothing is masked, and sales people
    decide every kind of item about their own records.
    masked_for: roles of people; who has one role that is not named sees the values. columns: roles of columns.
    sales_decide: "set", "merge", "link", "flag".
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="access_policies")
    number = models.PositiveIntegerField()
    masked_for = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    columns = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    reason_required = models.BooleanField(default=False)
    sales_decide = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["source", "number"], name="one_access_policy_per_number")]

    def __str__(self) -> str:
        return f"access policy {self.number} of {self.source_id}"


class Disclosure(models.Model):
    """Personal values of a record, shown to a person who otherwise sees them masked.

    The database refuses to change or delete a row (a trigger), so a person named here can be deactivated and not
    deleted. The record and its source are named by id and in words: the row outlives both.
    """

    record = models.ForeignKey(
        Record, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    source = models.ForeignKey(
        Source, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    source_name = models.CharField(max_length=120)
    external_id = models.TextField()
    fields = ArrayField(models.TextField())
    why = models.CharField(max_length=300, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["by", "-at"], name="disclosure_by_person"),
            models.Index(fields=["source", "external_id"], name="disclosure_by_record"),
        ]

    def __str__(self) -> str:
        return f"disclosure {self.pk}"
