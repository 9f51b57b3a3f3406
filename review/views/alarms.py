"""Alarms: the list, one with its chart, and what people answer."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from crmquality.models import Alarm, ExpectedPeriod
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.models import AlarmNote
from review.selectors import series as selecting
from review.services import alarms
from review.views.common import STAFF, for_roles, number

PAGE = 50


@for_roles(*STAFF)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Alarms of one state, the latest first."""
    state = request.GET.get("state", "active")
    wanted, before = number(request.GET.get("series")), number(request.GET.get("before"))
    rows = selecting.alarm_rows(state=state, series=wanted)
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-id")[: PAGE + 1])
    context = {
        "alarms": [(one, selecting.deviation(one)) for one in found[:PAGE]],
        "more": found[PAGE - 1].pk if len(found) > PAGE else None,
        "state": state,
        "counts": selecting.counts(),
        "states": [("active", "To look at"), *Alarm.State.choices, ("all", "All")],
        "wanted": wanted,
    }
    return render(request, "alarms/index.html", context)


@for_roles(*STAFF)
@require_safe
def detail(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """One alarm: what happened, the readings around it, what was said, and what an answer would teach."""
    alarm = get_object_or_404(Alarm.objects.select_related("series", "rule"), pk=alarm_id)
    return render(request, "alarms/detail.html", _context(alarm))


@for_roles(UserRole.STEWARD)
@require_POST
def answer(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Say what an alarm is."""
    alarm = get_object_or_404(Alarm, pk=alarm_id)
    try:
        done = alarms.answer(
            alarm=alarm,
            state=request.POST.get("state", ""),
            user=request.user,
            text=request.POST.get("text", ""),
            repeats=request.POST.get("repeats", "never"),
            seen=request.POST.get("seen"),
        )
        messages.success(request, f"{done.alarm.get_state_display().capitalize()}. {done.words()}".strip())
    except Refused as refusal:
        messages.error(request, str(refusal))
    return _back(request, alarm_id)


@for_roles(UserRole.STEWARD)
@require_POST
def answer_many(request: HttpRequest) -> HttpResponse:
    """Say the same of all ticked alarms."""
    ids = [found for text in request.POST.getlist("alarm") if (found := number(text))]
    if not ids:
        messages.error(request, "Tick the alarms first.")
        return _back(request)
    outcomes = alarms.answer_many(
        ids=ids, state=request.POST.get("state", ""), user=request.user, text=request.POST.get("text", "")
    )
    done = sum(refusal is None for refusal in outcomes.values())
    if done:
        messages.success(request, f"{done} alarm{'s' * (done != 1)} answered.")
    refused = [(which, why) for which, why in outcomes.items() if why is not None]
    for which, why in refused[:5]:
        messages.error(request, f"Alarm {which}: {why}")
    return _back(request)


@for_roles(UserRole.STEWARD)
@require_POST
def comment(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Note something about an alarm."""
    alarm = get_object_or_404(Alarm, pk=alarm_id)
    try:
        alarms.comment(alarm=alarm, text=request.POST.get("text", ""), user=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("alarm", alarm_id=alarm_id)


def _context(alarm: Alarm) -> dict[str, Any]:
    shown = selecting.around(alarm)
    following = Alarm.objects.filter(state__in=("open", "acknowledged")).exclude(pk=alarm.pk)
    return {
        "alarm": alarm,
        "deviation": selecting.deviation(alarm),
        "picture": selecting.chart(alarm.series, shown, mark=alarm.at),
        "readings": selecting.table(selecting.readings(alarm.series, shown.first, shown.last)),
        "notes": AlarmNote.objects.filter(alarm=alarm).select_related("by"),
        "repeats": ExpectedPeriod.REPEATS,
        "next": following.filter(at__lte=alarm.at).order_by("-at").first() or following.order_by("-at").first(),
    }


def _back(request: HttpRequest, alarm_id: int | None = None) -> HttpResponse:
    """To the page the form named, if it is ours."""
    to = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(to, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return redirect(to)
    return redirect("alarm", alarm_id=alarm_id) if alarm_id else redirect("alarms")
