"""Cards whose answer is known, planted to see how far each person's verdicts can be trusted."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class CheckShares(models.Model):
    """How many cards have a known answer, and how many hide their score; the newest row counts, none is edited."""

    known = models.FloatField(default=0.05)
    hidden = models.FloatField(default=0.05)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(known__gte=0, known__lte=0.5, hidden__gte=0, hidden__lte=0.5), name="check_shares_in_range"
            )
        ]

    def __str__(self) -> str:
        return f"{self.known:.0%} known, {self.hidden:.0%} hidden"


class KnownAnswer(models.Model):
    """A claim whose answer is certain, and why: material for checks, never applied again.

    decision: the verdict that holds the card as it was seen. right: whether the claim was right.
    retired_at: set once the answer is no longer certain (undone, or contradicted).
    """

    class Why(models.TextChoices):
        """What makes it certain."""

        AGREED = "agreed", "two or more people agreed"
        REFERENCE = "reference", "a verified value says so"
        STOOD = "stood", "decided long ago and unchanged since"

    decision = models.OneToOneField("review.Decision", on_delete=models.CASCADE, related_name="known_answer")
    right = models.BooleanField()
    why = models.CharField(max_length=10, choices=Why.choices)
    made_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="known_answers_in_use", condition=Q(retired_at__isnull=True))]

    def __str__(self) -> str:
        return f"known answer of decision {self.decision_id}"


class CheckAnswer(models.Model):
    """What a person said to a planted card. It writes nothing and is no decision.

    right: whether it is the known answer; null for "not sure", which counts neither way.
    """

    item = models.OneToOneField("review.ReviewItem", on_delete=models.CASCADE, related_name="check_answer")
    known_answer = models.ForeignKey(KnownAnswer, on_delete=models.CASCADE, related_name="answers")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="check_answers")
    verdict = models.CharField(max_length=10)
    right = models.BooleanField(null=True)
    seconds = models.FloatField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["by", "-id"], name="check_by_person")]

    def __str__(self) -> str:
        return f"answer to item {self.item_id}"
