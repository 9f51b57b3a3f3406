"""Series: the list, one with its chart, how it is watched, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import AlarmRule, ExpectedPeriod, Series, Source
from crmquality.services import access, alarms, series_deriving
from crmquality.services import series as services
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from detectors.anomalies.series_watching import UNITS, available
from review.charts_bands import band_chart
from review.selectors import series as selecting
from review.views.common import STAFF, for_roles, number

INTERVALS = [
    ("60", "minute"),
    ("300", "5 minutes"),
    ("900", "quarter of an hour"),
    ("3600", "hour"),
    ("86400", "day"),
    ("604800", "week"),
]
SIDES = [(0, "high and low"), (1, "high only"), (-1, "low only")]


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """Every series, and forms to make one; a steward makes them."""
    if request.method == "POST":
        access.require(request.user, UserRole.STEWARD)
        return _create(request)
    query = request.GET.get("q", "")
    source = _source(request.GET.get("source"))
    context: dict[str, Any] = {
        "rows": selecting.series_rows(query),
        "q": query,
        "intervals": INTERVALS,
        "operations": series_deriving.OPERATIONS,
        "sources": Source.objects.all(),
        "source": source,
        "suggestions": list(enumerate(series_deriving.suggestions(source))) if source else [],
    }
    return render(request, "series/index.html", context)


@for_roles(*STAFF)
def detail(request: HttpRequest, series_id: int) -> HttpResponse:
    """One series: its chart, its alarms, how it is watched, what is expected of it."""
    series = get_object_or_404(Series.objects.select_related("source"), pk=series_id)
    shown = selecting.window(series, **{name: request.GET.get(name, "") for name in ("span", "until", "first", "last")})
    drawn = selecting.readings(series, shown.first, shown.last)
    context: dict[str, Any] = {
        "series": series,
        "shown": shown,
        "picture": band_chart(drawn),
        "readings": selecting.table(drawn),
        "rule": alarms.rule_in_force(series),
    }
    if request.headers.get("HX-Request"):
        return render(request, "series/chart.html", context)
    context |= {
        "alarms": selecting.alarm_rows(state="all", series=series.pk)[:20],
        "expectations": selecting.expectations(series),
        "repeats": ExpectedPeriod.REPEATS,
        "rules": AlarmRule.objects.filter(series=series).select_related("by", "load")[:20],
        "words": UNITS,
        "methods": available(),
        "sides": SIDES,
        "others": Series.objects.exclude(pk=series.pk),
        "default_learn": services.default_learn(series),
        "default_refractory": services.default_refractory(series),
        "today": datetime.now(UTC).date(),
    }
    return render(request, "series/detail.html", context)


@for_roles(*STAFF)
def threshold(request: HttpRequest, series_id: int) -> HttpResponse:
    """The threshold by comfort: alarms and summed excess for each one on the series' own history; an admin saves it."""
    if request.method == "POST":
        access.require(request.user, UserRole.ADMIN)
    series = get_object_or_404(Series, pk=series_id)
    rule = alarms.rule_in_force(series)
    if request.method == "POST":
        return _save_threshold(request, series, rule)
    steps = [{"k": k, "alarms": int(count), "excess": excess} for k, count, excess in series.outlook]
    k = _float(request.GET.get("k"), rule.k if rule else 0.0)
    nearest = min(range(len(steps)), key=lambda at: abs(steps[at]["k"] - k), default=0)
    place = min(number(request.GET.get("place")) or 0, len(steps) - 1) if "place" in request.GET else nearest
    shown = selecting.window(series, span=request.GET.get("span", "all"), until="")
    drawn = selecting.readings(series, shown.first, shown.last)
    chosen = steps[place]["k"] if steps else k
    context = {
        "series": series,
        "rule": rule,
        "steps": steps,
        "place": place,
        "chosen": steps[place] if steps else None,
        "picture": band_chart(selecting.at_threshold(drawn, chosen, rule.refractory)) if rule else None,
        "unit": UNITS[rule.method] if rule else "",
        "in_force": min(range(len(steps)), key=lambda at: abs(steps[at]["k"] - rule.k), default=0) if rule else 0,
    }
    template = "series/threshold_chart.html" if request.headers.get("HX-Request") else "series/threshold.html"
    return render(request, template, context)


@for_roles(UserRole.ADMIN)
@require_POST
def watch(request: HttpRequest, series_id: int) -> HttpResponse:
    """Set how a series is watched, put an earlier rule in force again, or switch watching off and on."""
    series = get_object_or_404(Series, pk=series_id)
    wanted = request.POST.get("act", "rule")
    try:
        if wanted in ("off", "on"):
            services.stop_watching(series, watched=wanted == "on")
            messages.success(request, "It is watched again." if wanted == "on" else "It is not watched any more.")
        elif wanted == "back":
            earlier = get_object_or_404(AlarmRule, series=series, number=number(request.POST.get("number")))
            made = services.set_rule(**_as_given(earlier), series=series, user=request.user)
            messages.success(request, f"Rule {earlier.number} is in force again, as rule {made.number}.")
        else:
            made = services.set_rule(**_rule_given(request.POST), series=series, user=request.user)
            messages.success(request, f"Saved as rule {made.number}. The history is being judged by it.")
    except Refused as refusal:
        messages.error(request, f"Not saved: {refusal}")
    return redirect("series-one", series_id=series_id)


@for_roles(UserRole.STEWARD)
@require_POST
def expect(request: HttpRequest, series_id: int) -> HttpResponse:
    """Expect oddity in a period, or no longer."""
    series = get_object_or_404(Series, pk=series_id)
    given = request.POST
    try:
        if given.get("forget"):
            period = get_object_or_404(ExpectedPeriod, series=series, pk=number(given["forget"]))
            services.forget_expectation(period)
            messages.success(request, "It is expected no longer; its readings are judged again.")
        else:
            made = services.expect(
                series=series,
                first=_day(given.get("first")),
                last=_day(given.get("last") or given.get("first")) + timedelta(days=1) - timedelta(seconds=1),
                repeats=given.get("repeats", "never"),
                reason=given.get("reason", ""),
                user=request.user,
            )
            messages.success(request, f"Expected: {made.reason}.")
    except Refused as refusal:
        messages.error(request, f"Not saved: {refusal}")
    return redirect("series-one", series_id=series_id)


@for_roles(UserRole.ADMIN)
@require_POST
def remove(request: HttpRequest, series_id: int) -> HttpResponse:
    """Remove a series with its readings and alarms, once its name was typed."""
    series = get_object_or_404(Series, pk=series_id)
    if request.POST.get("name", "").strip() != series.name:
        messages.error(request, "Type the series' name to remove it.")
        return redirect("series-one", series_id=series_id)
    try:
        services.remove_series(series)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("series-one", series_id=series_id)
    messages.success(request, f"{series.name} is gone, with its readings and alarms.")
    return redirect("series")


def _create(request: HttpRequest) -> HttpResponse:
    given = request.POST
    try:
        made = services.create_series(**_series_given(given), user=request.user)
    except Refused as refusal:
        messages.error(request, f"Not made: {refusal}")
        return redirect("series")
    job = made.source.series_updates.filter(state__in=("queued", "running")).first() if made.source else None
    what = (
        "It is being computed."
        if job
        else "Send readings to it by API; below stands how."
        if made.origin == "sent"
        else ""
    )
    messages.success(request, f"Made. {what}")
    return redirect("series-one", series_id=made.pk)


def _series_given(given: Any) -> dict[str, Any]:
    """The arguments of `create_series` from a form: a suggestion, our own work, or readings that are sent."""
    if given.get("suggestion"):
        source = _source(given.get("source"))
        offers = series_deriving.suggestions(source) if source else []
        place = number(given["suggestion"])
        if place is None or place >= len(offers):
            raise Refused("This suggestion is there no more.")
        return offers[place]
    if given.get("what"):
        operation = series_deriving.OPERATIONS.get(given["what"])
        if operation is None:
            raise Refused("There is no such quantity of our own work.")
        return {
            "name": operation.words, "unit": operation.unit, "interval": operation.interval,
            "origin": Series.Origin.OPERATIONS, "definition": {"what": given["what"]},
        }  # fmt: skip
    seconds = number(given.get("interval"))
    if seconds is None:
        raise Refused("Choose an interval.")
    return {
        "name": given.get("name", ""), "unit": given.get("unit", ""), "key": given.get("key", "").strip(),
        "interval": timedelta(seconds=seconds),
    }  # fmt: skip


def _rule_given(given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of `set_rule` from a form."""
    period = (given.get("reference_from"), given.get("reference_to"))
    load = number(given.get("load"))
    return {
        "method": given.get("method", ""),
        "k": _float(given.get("k"), None),
        "side": int(given["side"]) if given.get("side") in ("-1", "0", "1") else 0,
        "refractory": number(given.get("refractory")),
        "learn": number(given.get("learn")),
        "alpha": _float(given.get("alpha"), 0.02),
        "load": Series.objects.filter(pk=load).first() if load else None,
        "reference": (_day(period[0]), _day(period[1])) if all(period) else None,
        "learns": bool(given.get("learns")),
        "reason": given.get("reason", ""),
    }


def _as_given(rule: AlarmRule) -> dict[str, Any]:
    """The arguments that made a rule."""
    reference = (rule.reference_from, rule.reference_to) if rule.reference_from and rule.reference_to else None
    names = ("method", "side", "refractory", "learn", "alpha", "load", "learns")
    return {name: getattr(rule, name) for name in names} | {
        "k": rule.chosen_k, "reference": reference, "reason": f"as rule {rule.number}",
    }  # fmt: skip


def _save_threshold(request: HttpRequest, series: Series, rule: AlarmRule | None) -> HttpResponse:
    place, given = number(request.POST.get("place")), _float(request.POST.get("k"), None)
    k = series.outlook[place][0] if place is not None and place < len(series.outlook) else given
    if rule is None or k is None:
        messages.error(request, "There is no threshold to set yet.")
        return redirect("series-threshold", series_id=series.pk)
    reason = request.POST.get("reason", "") or "chosen by comfort"
    try:
        made = services.set_rule(**(_as_given(rule) | {"k": k, "reason": reason}), series=series, user=request.user)
        messages.success(request, f"Saved as rule {made.number}: alarms are scores above {made.k:g}.")
    except Refused as refusal:
        messages.error(request, f"Not saved: {refusal}")
    return redirect("series-threshold", series_id=series.pk)


def _source(text: str | None) -> Source | None:
    found = number(text)
    return Source.objects.filter(pk=found).first() if found else None


def _float(text: str | None, otherwise: Any) -> Any:
    try:
        found = float(text or "")
    except ValueError:
        return otherwise
    return found if found == found and abs(found) < 1e9 else otherwise


def _day(text: str | None) -> datetime:
    """Midnight UTC of a day. Raises Refused for what is none."""
    try:
        return datetime.fromisoformat(text or "").replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused("Give the days as 2026-12-31.") from error
