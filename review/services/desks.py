"""What a person keeps around the queue: comments, saved views, and the day's budget of cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from crmquality.prepared import Prepared, where
from crmquality.services import access
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.models import Comment, DailyBudget, Decision, ReviewItem, SavedView
from review.services.filtering import Filters

LONGEST_COMMENT = 2_000
FILTER_NAMES = {one.name for one in fields(Filters)} - {"mine", "record", "like", "lot"}


_BUDGET = Prepared(lambda: DailyBudget.objects.filter(where("user_id = %s", "user")))


@dataclass(frozen=True)
class Budget:
    """Cards asked of a person today, and how many they have decided."""

    cards: int
    used: int

    @property
    def left(self) -> int:
        """Cards left of it today."""
        return max(0, self.cards - self.used)


def comment(*, item: ReviewItem, text: str, user: Any) -> Comment:
    """Note something about an item. Raises Refused for an empty or overlong text."""
    text = text.strip()
    if not text or len(text) > LONGEST_COMMENT or "\0" in text:
        raise Refused(f"A comment has 1 to {LONGEST_COMMENT:,} characters.")
    return Comment.objects.create(item=item, by=user, text=text)


def comments_on(item: ReviewItem) -> list[Comment]:
    """All that was said about the claim, also on earlier items of it, oldest first."""
    return list(Comment.objects.filter(item__finding=item.finding_id).select_related("by"))


def views_for(user: Any) -> QuerySet[SavedView]:
    """A person's own views and those an admin shows to everyone."""
    return SavedView.objects.filter(Q(owner=user) | Q(shared=True)).select_related("owner")


def save_view(*, user: Any, name: str, query: Mapping[str, str], shared: bool = False) -> SavedView:
    """Keep filters and a sort under a name; the same name takes the new ones.

    Raises Refused if the name is empty or too long, the query has other words than the queue, or a person who is no
    admin wants to share it.
    """
    name = name.strip()
    if not name or len(name) > 60 or "\0" in name:
        raise Refused("A view's name has 1 to 60 characters.")
    unknown = sorted(set(query) - FILTER_NAMES)
    if unknown:
        raise Refused(f"A view holds filters of the queue only, not {', '.join(unknown)}.")
    if shared and not access.has_role(user, UserRole.ADMIN):
        raise Refused("Only an admin shares a view with everyone.")
    kept = {key: str(value)[:120] for key, value in query.items() if value}
    view, _ = SavedView.objects.update_or_create(owner=user, name=name, defaults={"query": kept, "shared": shared})
    return view


def own_or_shared(user: Any) -> QuerySet[SavedView]:
    """The views that a person may change or delete: their own, and for an admin all."""
    views = SavedView.objects.all()
    return views if access.has_role(user, UserRole.ADMIN) else views.filter(owner=user)


def budget_of(user: Any) -> Budget | None:
    """A person's budget of today; None where an admin set none."""
    row = _BUDGET.first(user=user.pk)
    return Budget(row.cards, decided_today(user)) if row else None


def decided_today(user: Any) -> int:
    """Standing verdicts a person gave since midnight (of the installation's time zone), one for each question."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return Decision.objects.answers().filter(by=user, at__gte=midnight, undone_at__isnull=True).count()


def set_budget(*, user: Any, cards: int | None, by: Any) -> None:
    """Ask so many cards a day of a person; None takes the budget away. Raises Refused for fewer than 1."""
    if cards is None:
        DailyBudget.objects.filter(user=user).delete()
        return
    if not 1 <= cards <= 100_000:
        raise Refused("A budget is 1 to 100,000 cards a day.")
    DailyBudget.objects.update_or_create(user=user, defaults={"cards": cards, "set_by": by, "set_at": timezone.now()})
