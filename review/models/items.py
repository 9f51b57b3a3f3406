"""The review queue: one item a claim that a person should decide."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils import timezone

from crmquality.models import Finding, Source

LEASE = timedelta(minutes=5)
OPEN = Q(state="open")


class Minus(Func):
    """-x, so that every order of the queue runs upwards and one row comparison finds the next page."""

    template = "(-%(expressions)s)"


class FromEven(Func):
    """How far a score is from one half; an index of an older migration was made with it."""

    template = "abs(%(expressions)s - 0.5)"
    output_field = models.FloatField()


class MinusWorth(Func):
    """-(what a verdict would teach): by the detector's own word, else how near the score is to one half."""

    template = "(-COALESCE(%(expressions)s - 0.5)))"
    arg_joiner = ", 0.5 - abs("
    output_field = models.FloatField()


class MinusVariety(Func):
    """-(place in the varied order): by the detector's own word, else the rank."""

    template = "(-COALESCE(%(expressions)s))"
    output_field = models.FloatField()


ORDERS: dict[str, Func | F] = {
    "queue_order": Minus("rank"),
    "queue_by_impact": Minus("impact"),
    "queue_by_score": Minus("score"),
    "queue_by_worth": MinusWorth("worth", "score"),
    "queue_varied": MinusVariety("variety", "rank"),
    "queue_by_age": F("created_at"),
}
"""Index -> the key that the queue can be ordered by, after the number of skips."""


class ReviewItemQuerySet(models.QuerySet["ReviewItem"]):
    """The verbs of the queue."""

    def open(self) -> Self:
        """Waiting for a verdict."""
        return self.filter(state=ReviewItem.State.OPEN)

    def free_for(self, user_id: int) -> Self:
        """Open and not on another steward's desk."""
        return self.open().filter(Q(lease_until__isnull=True) | Q(lease_until__lt=Now()) | Q(leased_by=user_id))

    def available_to(self, user_id: int) -> Self:
        """Open, and neither on another's desk nor given to another."""
        return self.free_for(user_id).filter(Q(assigned_to=None) | Q(assigned_to=user_id))

    def close(self, state: ReviewItem.State) -> int:
        """Take them off the queue and off whatever desk they lie on; returns how many."""
        return self.update(state=state, closed_at=Now(), leased_by=None, lease_until=None)


class ReviewItem(models.Model):
    """A finding that policy sends to a person.

    rank: where it stands in the queue, higher = sooner; starts at the finding's score and follows reweighting.
    worth, variety: what a verdict would teach (0 to .5), and the rank in an order that mixes unlike items; follow
        reweighting too, null where the detector cannot tell.
    impact: score x (records and values that accepting touches + records that refer to them).
    owners, segments: of its records as they were at the last run: whose they are, and "column=value" of the columns
        that the queue is filtered by. Access is decided by the records themselves, never by these alone.
    sampled: drawn from below the bound to estimate what is missed; it stays in the queue though its score is low.
    known_answer: set on items planted to measure stewards; null for real ones. A planted item is in the state CHECK
        for good, so nothing that looks for open or decided items ever meets it, and it is never applied.
    """

    class State(models.TextChoices):
        """Open until decided, found stale, or withdrawn by a later run; CHECK is no claim in the queue."""

        OPEN = "open"
        DECIDED = "decided"
        STALE = "stale"
        WITHDRAWN = "withdrawn"
        CHECK = "check"

    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, related_name="items")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="items")
    detector = models.CharField(max_length=60)
    action = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    score = models.FloatField()
    rank = models.FloatField()
    worth = models.FloatField(null=True, blank=True)
    variety = models.FloatField(null=True, blank=True)
    impact = models.FloatField(default=0, db_default=0)
    owners = ArrayField(models.TextField(), default=list, db_default=[])
    segments = ArrayField(models.TextField(), default=list, db_default=[])
    policy = models.ForeignKey("review.PolicyVersion", null=True, on_delete=models.PROTECT, related_name="items")
    known_answer = models.ForeignKey(
        "review.KnownAnswer", null=True, blank=True, on_delete=models.CASCADE, related_name="items"
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="assigned_items",
    )
    leased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="leased_items",
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    skips = models.PositiveIntegerField(default=0)
    sampled = models.BooleanField(default=False, db_default=False)
    pattern = models.CharField(
        max_length=32, blank=True, default="", db_default="", help_text="What equal claims share; see review.patterns."
    )
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["finding"], condition=Q(state="open"), name="one_open_item_per_claim"),
            models.CheckConstraint(
                condition=Q(state="check", known_answer__isnull=False) | (~Q(state="check") & Q(known_answer=None)),
                name="only_checks_have_known_answers",
            ),
        ]
        indexes = [
            *(models.Index(F("skips"), key, F("id"), name=name, condition=OPEN) for name, key in ORDERS.items()),
            *(
                models.Index(*map(F, first), F("skips"), Minus("rank"), F("id"), name=name, condition=OPEN)
                for name, first in [
                    ("queue_by_detector", ["detector"]),
                    ("queue_by_source", ["source", "detector"]),
                    ("queue_by_action", ["action"]),
                ]
            ),
            models.Index(
                fields=["source", "pattern", "score"],
                name="queue_by_pattern",
                condition=Q(state="open") & ~Q(pattern=""),
            ),
            models.Index(
                F("assigned_to"),
                F("skips"),
                Minus("rank"),
                F("id"),
                name="queue_assigned",
                condition=OPEN & Q(assigned_to__isnull=False),
            ),
            GinIndex(fields=["owners", "segments"], name="queue_segments", condition=OPEN),
            models.Index(fields=["leased_by"], name="queue_leases", condition=Q(leased_by__isnull=False)),
            models.Index(fields=["source", "detector", "score"], name="decided_by_score", condition=Q(state="decided")),
        ]

    def __str__(self) -> str:
        return f"item {self.pk}"

    @property
    def holder_id(self) -> int | None:
        """Who has it on their desk at this moment; None if nobody, or if their lease ran out."""
        return self.leased_by_id if self.lease_until and self.lease_until > timezone.now() else None

    @property
    def shown_state(self) -> str:
        """The state as people and programs see it: a planted item looks like an open one until it is answered."""
        if self.state != self.State.CHECK:
            return self.state
        return self.State.DECIDED if self.closed_at else self.State.OPEN


class Skip(models.Model):
    """Why someone put an item behind the others; shown when it comes back."""

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="skip_reasons")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(db_default=Now())
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"skip of item {self.item_id}"
