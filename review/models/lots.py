"""Acceptance sampling: lots, the one order each was drawn in, and the limits an admin set."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models import Source
from review.models.batches import DecisionBatch
from review.models.items import ReviewItem


class Lot(models.Model):
    """Items taken together for acceptance sampling: fixed when drawn, drawn once.

    sample, allowed, limit, risk, expected: the plan, as in `review.sampling.Plan`.
    seed: of the one random order the items were put into; the sample is its beginning.
    """

    class State(models.TextChoices):
        """Drawn until the rest is accepted in one step, or the lot is refused for good."""

        DRAWN = "drawn", "being judged"
        ACCEPTED = "accepted"
        REFUSED = "refused"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="lots")
    detector = models.CharField(max_length=60)
    action = models.CharField(max_length=10, blank=True)
    min_score = models.FloatField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAWN)
    size = models.PositiveIntegerField()
    sample = models.PositiveIntegerField()
    allowed = models.PositiveIntegerField()
    limit = models.FloatField()
    risk = models.FloatField()
    expected = models.FloatField()
    seed = models.BigIntegerField()
    judged = models.PositiveIntegerField(null=True, help_text="Verdicts when the lot was closed.")
    wrong = models.PositiveIntegerField(null=True, help_text="Wrong ones among these.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    rest = models.OneToOneField(DecisionBatch, null=True, blank=True, on_delete=models.SET_NULL, related_name="lot")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"lot {self.pk}"

    @property
    def kind(self) -> str:
        """What its items are, in words; "" for all kinds."""
        return {"set": "corrections", "merge": "merges", "link": "links", "flag": "anomalies"}.get(self.action, "")


class LotItem(models.Model):
    """An item's place in the random order of its lot. An item is in one lot only, ever: nobody draws until lucky.

    drawn: it belongs to the sample; one that can no longer be judged is replaced by the next in the order.
    """

    lot = models.ForeignKey(Lot, on_delete=models.CASCADE, related_name="places")
    item = models.OneToOneField(ReviewItem, on_delete=models.CASCADE, related_name="place")
    position = models.PositiveIntegerField()
    drawn = models.BooleanField(default=False)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["lot", "position"], name="one_item_per_place")]
        indexes = [models.Index(fields=["lot", "position"], name="lot_sample", condition=Q(drawn=True))]

    def __str__(self) -> str:
        return f"item {self.item_id} of lot {self.lot_id}"


class AcceptanceRule(models.Model):
    """An admin's word on acceptance sampling, as it stood at a time; the newest is in force, none is edited."""

    limit = models.FloatField(default=0.05, help_text="Share of wrong ones that is tolerated in a lot.")
    risk = models.FloatField(default=0.10, help_text="Probability that a lot with more is accepted, at most.")
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(limit__gte=0.001, limit__lte=0.5, risk__gte=0.01, risk__lte=0.2),
                name="acceptance_rule_in_range",
            )
        ]

    def __str__(self) -> str:
        return f"limit {self.limit}, risk {self.risk}"
