"""Where to cut: an admin's choice, every version kept, and whether the decisions bear it out."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models import Source
from review.policy import DEFAULT_AUDIT, DEFAULT_TARGET, Policy


class PolicyVersion(models.Model):
    """Score bounds of one detector for a source, as they stood at a time; never edited."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="policies")
    detector = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    review_at = models.FloatField()
    accept_at = models.FloatField(null=True, blank=True, help_text="Null: a person decides everything.")
    target = models.FloatField(
        default=DEFAULT_TARGET, db_default=DEFAULT_TARGET, help_text="Precision to be proven before accept_at counts."
    )
    audit_share = models.FloatField(
        default=DEFAULT_AUDIT,
        db_default=DEFAULT_AUDIT,
        help_text="Share of the claims above accept_at that a person decides all the same.",
    )
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "detector", "number"], name="one_policy_per_number"),
            models.CheckConstraint(
                condition=Q(review_at__gte=0, review_at__lte=1)
                & (Q(accept_at__isnull=True) | Q(accept_at__gte=models.F("review_at"), accept_at__lte=1)),
                name="policy_bounds_in_order",
            ),
            models.CheckConstraint(
                condition=Q(target__gte=0.5, target__lt=1, audit_share__gt=0, audit_share__lte=1),
                name="policy_target_and_audit_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.detector} policy {self.number}"

    @property
    def bounds(self) -> Policy:
        """The rule that this version states."""
        return Policy(self.review_at, self.accept_at, self.target, self.audit_share)


class Gate(models.Model):
    """Whether corrections of one detector in a source may be accepted by themselves at this moment, and why (not).

    precision, low, high: estimated for claims at or above the policy's accept_at, with its 95 % interval.
    stopped: rule -> why it is not accepted by itself, though the others are.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="gates")
    detector = models.CharField(max_length=60)
    policy = models.ForeignKey(PolicyVersion, on_delete=models.CASCADE, related_name="gates")
    passes = models.BooleanField(default=False)
    why = models.CharField(max_length=300)
    precision = models.FloatField(null=True)
    low = models.FloatField()
    high = models.FloatField()
    decided = models.PositiveIntegerField(default=0)
    stopped = models.JSONField(default=dict)
    since = models.DateTimeField(help_text="When it last opened or closed.")
    at = models.DateTimeField(help_text="When it was last checked.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "detector"], name="one_gate_per_detector")]

    def __str__(self) -> str:
        return f"gate of {self.detector} on {self.source_id}"
