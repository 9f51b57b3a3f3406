"""The review queue: one card, one key, the next card."""

from __future__ import annotations

import time
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import Source
from crmquality.services import access, masking
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from detectors import registry
from review.models import Decision, DecisionBatch, ReviewItem
from review.selectors.cards import card
from review.selectors.decided import shown_decision
from review.selectors.groups import others_like
from review.services import batching, checks, deciding
from review.services import queue as queueing
from review.views.common import EVERYONE, for_roles, number

DECIDERS = (UserRole.STEWARD, UserRole.SALES)
UNDO_BY_KEY = 20
CHECK_NOTED, ALERTED = "check_noted", "alerted_at"
ALERT_PAUSE = 1_800
SAID = {
    Decision.Verdict.ACCEPT: "Accepted.",
    Decision.Verdict.REJECT: "Rejected: it will not be asked again.",
    Decision.Verdict.EDIT: "Corrected with your values.",
    Decision.Verdict.EXPECTED: "Noted as expected.",
    Decision.Verdict.UNSURE: "Noted as unsure.",
}


@for_roles(*DECIDERS)
def page(request: HttpRequest, item_id: int | None = None) -> HttpResponse:
    """The queue's frame and filters. It takes no lease: the desk asks for its card by POST as soon as it is shown."""
    context = {
        "filters": _filters(request),
        "item_id": item_id,
        "sources": Source.objects.all() if access.sees_everything(request.user) else [],
        "detectors": list(registry.available()),
    }
    return render(request, "queue/page.html", context)


@for_roles(*DECIDERS)
@require_POST
def next_card(request: HttpRequest) -> HttpResponse:
    """The next card alone; or that of the item named by "item"."""
    wanted = number(request.POST.get("item"))
    item = queueing.claim(user=request.user, item_id=wanted) if wanted else None
    missed = "That item is no longer open, or another steward has it; this is the next one."
    return _card(request, missed if wanted and item is None else "", item=item)


@for_roles(*DECIDERS)
@require_POST
def decide(request: HttpRequest, item_id: int) -> HttpResponse:
    """Record a verdict; answers with the next card, and says what became of this one."""
    item = get_object_or_404(queueing.visible_items(request.user), pk=item_id)
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
        return _card(request, checks.said(done))
    try:
        deciding.decide(
            item=item,
            verdict=Decision.Verdict(verdict),
            user=request.user,
            edited=_edited(request, item) if verdict == Decision.Verdict.EDIT else None,
            seconds=_seconds(request.POST.get("seconds")),
            reason=request.POST.get("reason", "")[:2000],
            idempotency_key=request.POST.get("key", "")[:80],
        )
        said = " ".join(filter(None, [SAID[Decision.Verdict(verdict)], _gentle_alert(request)]))
    except (Refused, PermissionDenied) as refusal:
        said = str(refusal)
    return _card(request, said)


@for_roles(*DECIDERS)
@require_POST
def skip(request: HttpRequest, item_id: int) -> HttpResponse:
    """Put this one behind the others."""
    item = get_object_or_404(queueing.visible_items(request.user), pk=item_id)
    queueing.skip(item=item, user=request.user, reason=request.POST.get("reason", ""))
    return _card(request, "Skipped: it comes back after the others.", after_skip_of=item.pk)


@for_roles(*DECIDERS)
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """Give back the card on the desk (the tab was closed)."""
    queueing.release(user=request.user)
    return HttpResponse(status=204)


@for_roles(*DECIDERS)
@require_POST
def undo_last(request: HttpRequest) -> HttpResponse:
    """Take back this person's latest standing decision, and show that card again."""
    check = checks.undone_in_vain(request.user, request.session.get(CHECK_NOTED, 0))
    if check:
        request.session[CHECK_NOTED] = check.pk
        return _card(request, "Your last card was a check: nothing was written, so there is nothing to undo.")
    recent = Decision.objects.filter(by=request.user.pk).order_by("-id")[:UNDO_BY_KEY]
    standing = next((decision for decision in recent if decision.undone_at is None), None)
    if standing is None:
        return _card(request, "Nothing to undo.")
    try:
        together = DecisionBatch.objects.of(standing)
        if together:
            return _card(request, _undo_together(together, request.user))
        undone = deciding.undo_decision(decision=standing, user=request.user)
    except Refused as refusal:
        return _card(request, str(refusal))
    item = queueing.claim(user=request.user, item_id=standing.item_id)
    left = f" {len(undone.kept)} values were edited since and stay." if undone and undone.kept else ""
    return _card(request, "Undone." + left, item=item)


@for_roles(*EVERYONE)
def decisions(request: HttpRequest) -> HttpResponse:
    """What was decided, the latest first; automatic acceptances too."""
    rows = Decision.objects.select_related("item", "item__source", "by").order_by("-id")
    if not access.sees_everything(request.user):
        rows = rows.filter(by=request.user.pk)
    before = number(request.GET.get("before"))
    if before:
        rows = rows.filter(pk__lt=before)
    found = [shown_decision(row) for row in rows[:50]]
    context = {"decisions": found, "sees_all": access.sees_everything(request.user)}
    return render(request, "queue/decisions.html", context)


@for_roles(*DECIDERS)
@require_POST
def undo(request: HttpRequest, decision_id: int) -> HttpResponse:
    """Take a decision back: a sales person their own, a steward anyone's."""
    rows = Decision.objects.all()
    if not access.has_role(request.user, UserRole.STEWARD):
        rows = rows.filter(by=request.user.pk)
    decision = get_object_or_404(rows, pk=decision_id)
    try:
        undone = deciding.undo_decision(decision=decision, user=request.user)
        mask = masking.current()
        kept = [f"{change.field}: {mask.kept(change, value)}" for change, value in (undone.kept if undone else [])]
        messages.success(request, "Undone." + (f" Edited since, left as it is: {'; '.join(kept)}." if kept else ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("decisions")


def _gentle_alert(request: HttpRequest) -> str:
    """A word on the pace, at most once in half an hour."""
    told = request.session.get(ALERTED, 0)
    if time.time() - told < ALERT_PAUSE:
        return ""
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


def _card(
    request: HttpRequest, said: str, *, item: ReviewItem | None = None, after_skip_of: int | None = None
) -> HttpResponse:
    filters = _filters(request)
    item = item or queueing.claim_next(user=request.user, filters=filters, after_skip_of=after_skip_of)
    return render(request, "queue/desk.html", _context(request, item, filters) | {"said": said})


def _context(request: HttpRequest, item: ReviewItem | None, filters: queueing.Filters) -> dict[str, Any]:
    waiting = filters.apply(queueing.visible_items(request.user).open(), request.user)
    steward = access.has_role(request.user, UserRole.STEWARD)
    return {
        "card": card(item) if item else None,
        "score_hidden": item is not None and checks.score_hidden(item),
        "others": others_like(item, request.user) if item and steward else 0,
        "skipped": item.skip_reasons.select_related("by")[:3] if item and item.skips else [],
        "filters": filters,
        "waiting": waiting[:1001].count(),
    }


def _filters(request: HttpRequest) -> queueing.Filters:
    asked = request.POST if request.method == "POST" else request.GET
    return queueing.Filters(
        source=number(asked.get("source")),
        detector=asked.get("detector", "")[:60],
        action=asked.get("action", "")[:10],
        rule=asked.get("rule", "")[:120],
        record=number(asked.get("record")),
        mine=asked.get("mine") == "1",
        pattern=asked.get("pattern", "")[:32],
        like=number(asked.get("like")),
        lot=number(asked.get("lot")),
    )


def _edited(request: HttpRequest, item: ReviewItem) -> dict[str, Any]:
    """The person's values: fields named "field:NAME", and for a merge the survivor and the ticked members."""
    changes = {
        name.removeprefix("field:"): value.strip() or None
        for name, value in request.POST.items()
        if name.startswith("field:") and isinstance(value, str)
    }
    edited: dict[str, Any] = {"changes": changes}
    if item.action == "merge":
        survivor = number(request.POST.get("survivor"))
        if survivor:
            ticked = [number(one) for one in request.POST.getlist("member")]
            edited |= {"survivor": survivor, "members": [one for one in ticked if one and one != survivor]}
    return edited


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 86_400 else None
