"""What surrounds the queue: saved views, comments, and how many cards a day are asked of a steward."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from review.models.items import ReviewItem


class SavedView(models.Model):
    """Filters and a sort under a name.

    query: as in the address of the queue, {"source": "3", "sort": "impact"}. shared: an admin shows it to everyone.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=60)
    query = models.JSONField(default=dict)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_view_per_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """The query of the queue's address."""
        return urlencode(self.query)


class Comment(models.Model):
    """What a person noted about an item; never edited. It is shown on every later item of the same claim."""

    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="comments")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(db_default=Now())
    text = models.TextField(max_length=2_000)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"comment on item {self.item_id}"


class DailyBudget(models.Model):
    """How many cards a day an admin asks of a steward; no row, no budget."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="daily_budget")
    cards = models.PositiveIntegerField()
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.cards} cards a day for {self.user_id}"
