"""Questions to the stewards about a record, and their answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from crmquality.models import Record
from crmquality.services import access
from crmquality.services.errors import Conflict, Refused
from review.models import Question, ReviewItem

LONGEST = 2_000


def visible_questions(user: Any) -> QuerySet[Question]:
    """Everyone's questions, or a sales person's own."""
    rows = Question.objects.select_related("record__source", "by", "answered_by", "item")
    return rows if access.sees_everything(user) else rows.filter(by=user.pk)


def ask(*, record: Record, text: str, user: Any, item: ReviewItem | None = None) -> Question:
    """Ask the stewards about a record, or about an open claim of it. Raises Refused without a text."""
    return Question.objects.create(record=record, item=item, text=_said(text), by=user)


def answer(*, question: Question, text: str, user: Any) -> Question:
    """Answer a question, once. Raises Refused without a text, Conflict if somebody was faster."""
    said = _said(text)
    free = Question.objects.filter(pk=question.pk, answered_at__isnull=True)
    if not free.update(answer=said, answered_by=user, answered_at=Now()):
        raise Conflict("Somebody has answered it already.")
    question.refresh_from_db()
    return question


def about(records: Iterable[Record]) -> list[Question]:
    """The questions about these records, those without an answer first."""
    rows = Question.objects.filter(record__in=[record.pk for record in records]).select_related("by", "answered_by")
    return sorted(rows.order_by("-id")[:20], key=lambda one: one.answered_at is not None)


def _said(text: str) -> str:
    said = text.replace("\0", "").strip()
    if not said:
        raise Refused("Write something first.")
    if len(said) > LONGEST:
        raise Refused(f"At most {LONGEST:,} characters.")
    return said
