"""What a sales person lands on: their own records, what is wrong with each, and mending it in place."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import ChangeSet, Record
from crmquality.selectors.naming import title
from crmquality.services import access, masking
from crmquality.services.access import UserRole
from crmquality.services.checking import check_value
from crmquality.services.errors import Refused
from crmquality.services.undoing import undo_with_cause
from review.models import Decision
from review.selectors import own
from review.selectors.decided import undone_in_words
from review.services import asking, deciding, fixing
from review.services.queue import visible_items
from review.views.common import for_roles, number

VERDICTS = {
    Decision.Verdict.ACCEPT: "Accepted.",
    Decision.Verdict.REJECT: "Noted: it is right as it is, and is not asked again.",
}


@for_roles(UserRole.SALES)
def index(request: HttpRequest) -> HttpResponse:
    """The person's records, the worst first; ?q= finds text in them, faultless ones too."""
    asked = request.GET.get("q", "").strip()[:200].replace("\0", "")
    found = own.own(request.user, asked=asked, page=number(request.GET.get("page")) or 1)
    context = {"own": found, "asked": asked, "changes": own.last_changes(request.user)}
    return render(request, "own/page.html", context)


@for_roles(UserRole.SALES)
def record_page(request: HttpRequest, record_id: int) -> HttpResponse:
    """One record with all its fields."""
    record = _record(request, record_id)
    context = {"one": own.own_record(record, request.user), "full": True, "changes": own.last_changes(request.user)}
    return render(request, "own/record.html", context)


@for_roles(UserRole.SALES)
@require_POST
def check(request: HttpRequest, record_id: int) -> HttpResponse:
    """Whether a value is valid for a field of this record, while it is typed. Writes nothing."""
    record = _record(request, record_id)
    try:
        found = check_value(record, request.POST.get("field", ""), request.POST.get("value", ""))
    except Refused as refusal:
        return HttpResponseBadRequest(str(refusal), content_type="text/plain")
    return render(request, "own/hint.html", {"check": found})


@for_roles(UserRole.SALES)
@require_POST
def fix(request: HttpRequest, record_id: int) -> HttpResponse:
    """Write one field. If somebody changed it meanwhile, both values are shown and nothing is written."""
    record = _record(request, record_id)
    name, value = request.POST.get("field", ""), request.POST.get("value", "")
    try:
        done = fixing.fix(record=record, name=name, value=value, seen=request.POST.get("seen", ""), user=request.user)
    except fixing.Moved as moved:
        now = masking.current().value(record, name, moved.now)
        conflict = {"field": name, "mine": value, "now": now, "mark": fixing.mark_of(moved.now)}
        return _panel(request, record_id, str(moved), conflict=conflict)
    except (Refused, PermissionDenied) as refusal:
        return _panel(request, record_id, str(refusal), wrong=True)
    settled = f" It settles {len(done.settled)} open claim{'s' * (len(done.settled) > 1)}." if done.settled else ""
    return _panel(request, record_id, f"{name} is saved.{settled}", undo=done.change_set)


@for_roles(UserRole.SALES)
@require_POST
def decide(request: HttpRequest, item_id: int) -> HttpResponse:
    """Accept or reject a claim about one's own record."""
    item = get_object_or_404(visible_items(request.user).select_related("finding", "source"), pk=item_id)
    verdict = request.POST.get("verdict", "")
    if verdict not in VERDICTS:
        return HttpResponseBadRequest("No such verdict.")
    shown = number(request.POST.get("record"))
    record_id = shown if shown in item.finding.subjects else item.finding.subjects[0]
    try:
        done = deciding.decide(item=item, verdict=Decision.Verdict(verdict), user=request.user)
    except (Refused, PermissionDenied) as refusal:
        return _panel(request, record_id, str(refusal), wrong=True)
    return _panel(request, record_id, VERDICTS[Decision.Verdict(verdict)], undo=done.change_set, decision=done)


@for_roles(UserRole.SALES)
@require_POST
def ask(request: HttpRequest, record_id: int) -> HttpResponse:
    """Ask the stewards about a record, or a claim about it."""
    record = _record(request, record_id)
    about = number(request.POST.get("item"))
    items = visible_items(request.user).filter(finding__subjects__contains=[record.pk])
    try:
        asking.ask(
            record=record,
            item=items.filter(pk=about).first() if about else None,
            text=request.POST.get("text", ""),
            user=request.user,
        )
    except Refused as refusal:
        return _panel(request, record_id, str(refusal), wrong=True)
    return _panel(request, record_id, "Asked. The answer comes here.")


@for_roles(UserRole.SALES)
@require_POST
def undo(request: HttpRequest, change_set_id: int) -> HttpResponse:
    """Take back one's own correction."""
    rows = ChangeSet.objects.all()
    if not access.has_role(request.user, UserRole.STEWARD):
        rows = rows.filter(by=request.user.pk)
    change_set = get_object_or_404(rows, pk=change_set_id)
    shown = number(request.POST.get("record"))
    wrong = False
    try:
        undone = undo_with_cause(change_set=change_set, by=request.user)
        said = undone_in_words(undone)
    except Refused as refusal:
        said, wrong = str(refusal), True
    if shown and access.visible_records(request.user).filter(pk=shown).exists():
        return _panel(request, shown, said, wrong=wrong)
    (messages.error if wrong else messages.success)(request, said)
    return redirect("own")


@for_roles(UserRole.SALES, UserRole.STEWARD, UserRole.AUDITOR)
def questions(request: HttpRequest) -> HttpResponse:
    """The questions to the stewards: all of them, or a sales person's own; the open ones first."""
    rows = asking.visible_questions(request.user)
    shown = [*rows.filter(answered_at__isnull=True)[:100], *rows.filter(answered_at__isnull=False)[:50]]
    return render(request, "own/questions.html", {"questions": [(one, title(one.record)) for one in shown]})


@for_roles(UserRole.STEWARD)
@require_POST
def answer(request: HttpRequest, question_id: int) -> HttpResponse:
    """Answer a question."""
    question = get_object_or_404(asking.visible_questions(request.user), pk=question_id)
    try:
        asking.answer(question=question, text=request.POST.get("text", ""), user=request.user)
        messages.success(request, "Answered.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("questions")


def _record(request: HttpRequest, record_id: int) -> Record:
    rows = access.visible_records(request.user).select_related("source")
    return get_object_or_404(rows, pk=record_id)


def _panel(request: HttpRequest, record_id: int, said: str, *, wrong: bool = False, **more: Any) -> HttpResponse:
    """The record's panel anew with what became of it; without a script the record's page."""
    record = access.visible_records(request.user).filter(pk=record_id).select_related("source").first()
    if not request.headers.get("HX-Request"):
        if "conflict" not in more or record is None:
            (messages.error if wrong else messages.success)(request, said)
            return redirect("own-record", record_id=record_id) if record else redirect("own")
        context = {"one": own.own_record(record, request.user), "full": True, "said": said, "wrong": True}
        return render(request, "own/record.html", context | more)
    if record is None or record.golden_id is not None or record.gone_at is not None:
        gone = {"said": said, "record_id": record_id, "merged": record and record.golden_id}
        return render(request, "own/gone.html", gone | more)
    context = {"one": own.own_record(record, request.user), "full": request.POST.get("full") == "1"}
    return render(request, "own/panel.html", context | {"said": said, "wrong": wrong} | more)
