"""Many items decided by one person in one step, as a job that is taken back as a whole."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from crmquality.models import Source
from crmquality.models.jobs import Job, JobQuerySet, JobState
from review.models.decisions import Decision
from review.models.items import ReviewItem


class DecisionBatchQuerySet(JobQuerySet):
    """The verbs of batches, besides those of any job."""

    def of(self, decision: Decision) -> DecisionBatch | None:
        """The batch that made a decision; None for one made at the desk."""
        found: DecisionBatch | None = self.filter(members__decision=decision).exclude(kind="undo").first()
        return found


class DecisionBatch(Job):
    """One step that decides many items, or takes many decisions back; requested_by is who decided.

    pattern: what the items of a group share. filters: by what a lot was chosen, for people to read.
    size: the items it is about. set_apart: items of the group that a person unticked.
    left_out: items that stood on a colleague's desk, or were assigned to one, when it was asked for.
    undoes: the batch that this one takes back.
    """

    class Kind(models.TextChoices):
        """What the items have in common."""

        GROUP = "group", "same pattern"
        REST = "rest", "rest of a sampled lot"
        UNDO = "undo", "undo"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    verdict = models.CharField(max_length=10, choices=Decision.Verdict.choices, blank=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="batches")
    pattern = models.CharField(max_length=32, blank=True)
    filters = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    size = models.PositiveIntegerField(default=0)
    set_apart = models.PositiveIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0)
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="undone_by")

    objects: ClassVar[Any] = DecisionBatchQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["undoes"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING]),
                name="one_active_undo_per_batch",
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class BatchMember(models.Model):
    """One item of a batch and what became of it; each is settled in a transaction of its own, so none twice.

    decision: the one it made or, in an undo, the one it takes back.
    """

    class Outcome(models.TextChoices):
        """Waiting, or settled in one of these ways."""

        WAITING = "waiting"
        DECIDED = "decided"
        STALE = "stale", "record changed: closed, untouched"
        TAKEN = "taken", "decided or taken by someone else first"
        REFUSED = "refused", "could not be done"
        UNDONE = "undone"

    batch = models.ForeignKey(DecisionBatch, on_delete=models.CASCADE, related_name="members")
    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="memberships")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.WAITING)
    decision = models.ForeignKey(Decision, null=True, blank=True, on_delete=models.SET_NULL, related_name="memberships")
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["batch", "item"], name="an_item_once_a_batch")]
        indexes = [models.Index(fields=["batch", "outcome", "id"], name="batch_members_by_outcome")]

    def __str__(self) -> str:
        return f"item {self.item_id} of batch {self.batch_id}"
