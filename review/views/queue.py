"""The review desk: a card on the screen, the next ones beside it, one key, the next card."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from crmquality.models import ChangeSet, Record
from crmquality.services import access
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.models import Decision, DecisionBatch, ReviewItem
from review.selectors.cards import card
from review.selectors.decided import NOTHING_WRITTEN, along_in_words, shown_decision, standing, undone_in_words
from review.selectors.groups import others_like
from review.services import batching, checks, deciding, desks
from review.services import queue as queueing
from review.services.filtering import Filters, visible_item, visible_items
from review.views.common import DECIDERS, EVERYONE, for_roles, number
from review.views.filters import asked_filters, frame
from review.views.merges import merge_choices

DECISIONS = 50
"""Shown on one page."""
COUNTED = 1_000
CHECK_NOTED, ALERTED = "check_noted", "alerted_at"
ALERT_PAUSE = 1_800
ALERT_LOOK = 20
"""Seconds between two looks at a person's pace: it is about their last hundred decisions, and hardly moves in one."""

_looked: dict[int, float] = {}
"""Person -> when this process last looked at their pace."""

RECOUNT = 10
KNOWN = 10_000
_many: dict[tuple[int, Filters], float] = {}
"""Person and filters -> until when more than COUNTED items are believed to wait."""

OVER_BUDGET = "over_budget"
SAID = {
    Decision.Verdict.ACCEPT: "Accepted.",
    Decision.Verdict.REJECT: "Rejected: it will not be asked again.",
    Decision.Verdict.EDIT: "Corrected with your values.",
    Decision.Verdict.EXPECTED: "Noted as expected.",
    Decision.Verdict.UNSURE: "Noted as unsure.",
}


@for_roles(*DECIDERS)
def page(request: HttpRequest, item_id: int | None = None) -> HttpResponse:
    """The queue's frame and filters. It takes no lease: the desk asks for its cards by POST as soon as it is shown."""
    return render(request, "queue/page.html", frame(request) | {"item_id": item_id})


@for_roles(*DECIDERS)
@require_POST
def next_card(request: HttpRequest) -> HttpResponse:
    """Fill the desk; with the item named by "item" first. over=1: go on although the day's budget is used up."""
    if request.POST.get("over") == "1":
        request.session[OVER_BUDGET] = _today()
    wanted = number(request.POST.get("item"))
    if not wanted:
        return _answer(request, "filled", "")
    item = queueing.claim(user=request.user, item_id=wanted)
    return _answer(request, "filled", "" if item else _missed(request, wanted), about=wanted, first=item)


@for_roles(*DECIDERS)
@require_POST
def decide(request: HttpRequest, item_id: int) -> HttpResponse:
    """Record a verdict; answers with what became of it and the cards that fill the desk again."""
    item = _item(request, item_id)
    verdict = request.POST.get("verdict", "")
    if verdict not in Decision.Verdict.values:
        return HttpResponseBadRequest("No such verdict.")
    if checks.is_check(item):
        done = checks.answer(
            item=item,
            verdict=Decision.Verdict(verdict),
            user=request.user,
            seconds=_seconds(request.POST.get("seconds")),
        )
        return _answer(request, "done", checks.said(done), about=item.pk)
    try:
        decision = deciding.decide(
            item=item,
            verdict=Decision.Verdict(verdict),
            user=request.user,
            edited=_edited(request, item, verdict),
            seconds=_seconds(request.POST.get("seconds")),
            reason=request.POST.get("reason", "")[:2000],
            idempotency_key=request.POST.get("key", "")[:80],
        )
    except (Refused, PermissionDenied) as refusal:
        again = queueing.claim(user=request.user, item_id=item.pk)
        return _answer(request, "refused", str(refusal), about=item.pk, first=again)
    said = " ".join(filter(None, [SAID[Decision.Verdict(verdict)], along_in_words(decision), _gentle_alert(request)]))
    return _answer(request, "done", said, about=item.pk, touched=_written(decision.change_set))


@for_roles(*DECIDERS)
@require_POST
def skip(request: HttpRequest, item_id: int) -> HttpResponse:
    """Put this one behind the others."""
    item = _item(request, item_id)
    queueing.skip(item=item, user=request.user, reason=request.POST.get("reason", ""))
    return _answer(request, "skipped", "Skipped: it comes back after the others.", about=item.pk)


@for_roles(*DECIDERS)
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """Give back the cards of a desk (the tab was closed); all of this person's where none are named."""
    queueing.release(user=request.user, held=_held(request) if "held" in request.POST else None)
    return HttpResponse(status=204)


@for_roles(*DECIDERS)
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Somebody is at the desk: its leases run anew."""
    gone = queueing.renew(user=request.user, held=_held(request))
    return render(request, "queue/answer.html", {"outcome": "kept", "gone": gone})


@for_roles(*DECIDERS)
@require_POST
def undo_last(request: HttpRequest) -> HttpResponse:
    """Take back this person's latest standing decision, of "item" if it is named, and show that card again."""
    wanted = number(request.POST.get("item"))
    check = checks.undone_in_vain(request.user, request.session.get(CHECK_NOTED, 0))
    if check and wanted in (None, check.item_id):
        request.session[CHECK_NOTED] = check.pk
        return _answer(request, "nothing", NOTHING_WRITTEN, about=wanted)
    latest = standing(request.user, wanted)
    if latest is None:
        item = queueing.claim(user=request.user, item_id=wanted) if wanted else None
        return _answer(request, "nothing", "Nothing to undo.", about=wanted, first=item)
    try:
        together = DecisionBatch.objects.of(latest)
        if together:
            return _answer(request, "undone", _undo_together(together, request.user))
        undone = deciding.undo_decision(decision=latest, user=request.user)
    except Refused as refusal:
        return _answer(request, "nothing", str(refusal), about=latest.item_id)
    item = queueing.claim(user=request.user, item_id=latest.item_id)
    return _answer(
        request,
        "undone",
        undone_in_words(undone),
        about=latest.item_id,
        first=item,
        touched=_written(latest.change_set),
    )


@for_roles(*EVERYONE)
def decisions(request: HttpRequest) -> HttpResponse:
    """What was decided, the latest first; automatic acceptances too."""
    rows = Decision.objects.select_related("item", "item__source", "by").order_by("-id")
    if not access.sees_everything(request.user):
        rows = rows.filter(by=request.user.pk)
    before = number(request.GET.get("before"))
    if before:
        rows = rows.filter(pk__lt=before)
    found = [shown_decision(row) for row in rows[: DECISIONS + 1]]
    older = found[DECISIONS - 1].pk if len(found) > DECISIONS else None
    context = {"decisions": found[:DECISIONS], "older": older, "sees_all": access.sees_everything(request.user)}
    return render(request, "queue/decisions.html", context)


def _item(request: HttpRequest, item_id: int) -> ReviewItem:
    try:
        return visible_item(request.user, item_id)
    except ReviewItem.DoesNotExist:
        raise Http404("There is no such item, or it is not yours to see.") from None


def _gentle_alert(request: HttpRequest) -> str:
    """A word on the pace, at most once in half an hour."""
    told = request.session.get(ALERTED, 0)
    who, now = request.user.pk or 0, time.monotonic()
    if time.time() - told < ALERT_PAUSE or now - _looked.get(who, -ALERT_LOOK) < ALERT_LOOK:
        return ""
    _looked[who] = now
    word = checks.alert(request.user)
    if word:
        request.session[ALERTED] = int(time.time())
    return word


def _undo_together(batch: DecisionBatch, user: Any) -> str:
    undo = batching.request_undo(batch=batch, user=user)
    if undo.is_active:
        return f"{undo.size} decisions made together are being undone: see batch {undo.pk}."
    undone = batching.outcomes(undo)["undone"]
    left = undo.size - undone
    return f"{undone} decisions made together undone." + (f" {left} could not be: see batch {undo.pk}." if left else "")


def _answer(
    request: HttpRequest,
    outcome: str,
    said: str,
    *,
    about: int | None = None,
    first: ReviewItem | None = None,
    touched: Collection[int] = (),
) -> HttpResponse:
    """What the desk is told: what became of the item `about`, the cards to lay down, and those that are gone.

    first: an item that is leased already and comes before the others.
    """
    filters = asked_filters(request.POST)
    budget = desks.budget_of(request.user)
    over = request.session.get(OVER_BUDGET) == _today()
    held = [one for one in _held(request) if first is None or one != first.pk]
    asked = number(request.POST.get("want"))
    want = min(queueing.DESK if asked is None else asked, queueing.DEEPEST) - (first is not None)
    if budget and not over:
        want = min(want, budget.left)
    avoid = {one for one in (about, first.pk if first else None) if one}
    desk = queueing.fill(user=request.user, filters=filters, held=held, want=want, avoid=avoid, touched=touched)
    items = ([first] if first else []) + desk.fresh
    waiting = _waiting(request.user, filters)
    context = {
        "outcome": outcome,
        "said": said,
        "about": about,
        "gone": desk.gone,
        "cards": _cards(items, desk.records, request.user),
        "waiting": f"{COUNTED}+" if waiting > COUNTED else waiting,
        "budget": budget,
        "used_up": budget is not None and not over and not budget.left,
        "may_assign": access.has_role(request.user, UserRole.STEWARD),
    }
    return render(request, "queue/answer.html", context)


def _waiting(user: Any, filters: Filters) -> int:
    """How many items wait for this person, COUNTED + 1 at most; more than that is believed for RECOUNT seconds."""
    key, now = (user.pk, filters), time.monotonic()
    if now < _many.get(key, 0.0):
        return COUNTED + 1
    found = filters.apply(visible_items(user).open(), user)[: COUNTED + 1].count()
    if found > COUNTED:
        _many.clear() if len(_many) > KNOWN else None
        _many[key] = now + RECOUNT
    return found


def _cards(items: list[ReviewItem], records: Mapping[int, Record], user: Any) -> list[dict[str, Any]]:
    steward = access.has_role(user, UserRole.STEWARD)
    found = []
    for item in items:
        planted = checks.is_check(item)  # it shows its records as they were: no shared ones, no later comments
        shown = card(item, None if planted else records)
        found.append(
            {
                "card": shown,
                "comments": desks.comments_on(item) if shown.commented and not planted else [],
                "score_hidden": checks.score_hidden(item),
                "others": others_like(item, user) if steward else 0,
                "skipped": item.skip_reasons.select_related("by")[:3] if item.skips else [],
            }
        )
    return found


def _missed(request: HttpRequest, item_id: int) -> str:
    """Why an item that was asked for is not on the desk."""
    item = visible_items(request.user).select_related("leased_by").filter(pk=item_id).first()
    if item and item.state == ReviewItem.State.OPEN:
        if item.leased_by is None:
            return "A colleague has the same question, by another check, on their desk; this is the next one."
        holder = item.leased_by.get_full_name() or item.leased_by.username
        return f"{holder} has that item on their desk; this is the next one."
    return "That item is no longer open; this is the next one."


def _written(change_set: ChangeSet | None) -> Collection[int]:
    """The records that a change set wrote into."""
    if change_set is None:
        return ()
    if change_set.touched is not None:
        return change_set.touched
    return set(change_set.changes.values_list("record_id", flat=True))


def _held(request: HttpRequest) -> list[int]:
    """The ids of the cards on the desk, as the page says them."""
    given = request.POST.get("held", "")[:1000].split()
    return [one for one in map(number, given[: queueing.DEEPEST + 1]) if one]


def _today() -> str:
    return timezone.localdate().isoformat()


def _edited(request: HttpRequest, item: ReviewItem, verdict: str) -> dict[str, Any] | None:
    """What the person put in place of the proposal, or confirmed with it; see `merges.apply` for a merge."""
    if item.action == "merge" and verdict in (Decision.Verdict.ACCEPT, Decision.Verdict.EDIT):
        return merge_choices(request.POST)
    return {"changes": merge_choices(request.POST)["changes"]} if verdict == Decision.Verdict.EDIT else None


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 86_400 else None
