"""Verdicts, and what the person saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models import ChangeSet, ModelVersion
from review.models.items import ReviewItem
from review.models.policies import PolicyVersion

SETTLED_BY = "settled_by"
"""In `Decision.seen` of one that was settled along with another: the id of that other."""


class DecisionQuerySet(models.QuerySet["Decision"]):
    """Which decisions count for what."""

    def looked_at(self) -> Self:
        """Standing verdicts of people who looked at the item: not policy's, not those on the rest of a sampled lot."""
        return self.filter(by__isnull=False, undone_at__isnull=True, looked_at=True)

    def answers(self) -> Self:
        """What a person or policy said, each once: without those settled along with another."""
        return self.exclude(seen__has_key=SETTLED_BY)


class Decision(models.Model):
    """A verdict on an item, with what the person saw. Never edited; an undo is marked, not erased.

    seen: score, evidence, proposal and values as they stood on the card; SETTLED_BY where another decision settled it.
    """

    class Verdict(models.TextChoices):
        """Kept apart, because not all of them teach the same."""

        ACCEPT = "accept"
        REJECT = "reject"
        EDIT = "edit"
        EXPECTED = "expected"
        UNSURE = "unsure"

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="decisions")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="decisions",
        help_text="Null: accepted by policy, no person.",
    )
    at = models.DateTimeField(db_default=Now())
    seconds = models.FloatField(null=True, help_text="From the card's appearance to the verdict.")
    seen = models.JSONField(default=dict)
    changes = models.JSONField(default=dict, help_text="The values a person put in place of the proposed ones.")
    reason = models.TextField(blank=True)
    model_version = models.ForeignKey(
        ModelVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="decisions"
    )
    policy = models.ForeignKey(PolicyVersion, null=True, on_delete=models.PROTECT, related_name="decisions")
    change_set = models.OneToOneField(
        ChangeSet, null=True, blank=True, on_delete=models.PROTECT, related_name="decision"
    )
    looked_at = models.BooleanField(
        default=True, db_default=True, help_text="False for the rest of a sampled lot: nobody saw this very item."
    )
    undone_at = models.DateTimeField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=80, blank=True)

    along: Sequence[Decision] = ()
    """Those settled along with it, where it was made just now; not stored."""

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(undone_at__isnull=True), name="one_standing_decision_per_item"
            ),
            models.UniqueConstraint(
                fields=["by", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="one_decision_per_key",
            ),
        ]
        indexes = [
            models.Index(fields=["by", "-id"], name="decision_by_person"),
            models.Index(fields=["undone_at"], name="decision_undone", condition=Q(undone_at__isnull=False)),
            models.Index(fields=["by", "at"], name="decision_by_day"),
            models.Index(
                fields=["at"],
                include=["by", "verdict", "seconds"],
                condition=Q(undone_at__isnull=True, by__isnull=False, looked_at=True),
                name="decision_throughput",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} of item {self.item_id}"

    @property
    def answer_id(self) -> int:
        """The id of the decision that this one was settled along with; its own where it is an answer itself."""
        return int(self.seen.get(SETTLED_BY, self.pk))
