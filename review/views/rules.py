"""The rule library: an admin sets rules, takes those that the data suggests, and sees who breaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import QualityRule, Run, Source
from crmquality.services import masking, profiling, rule_failures, running, validating
from crmquality.services.access import UserRole, require
from crmquality.services.errors import Refused
from detectors.rules.checking import KINDS
from detectors.rules.conditions import PAIRS
from review.selectors import rules as selecting
from review.views.common import STAFF, attachment, for_roles, number

WHEN, CONDITIONS = 2, 4
"""Conditions that a form offers: for where a rule applies, and for what must not meet."""

SHOWN = 25


@for_roles(*STAFF)
def index(request: HttpRequest, source_id: int) -> HttpResponse:
    """The rules of a source, and those its data suggests."""
    source = get_object_or_404(Source, pk=source_id)
    profile = profiling.latest_profile(source)
    suggested = profiling.open_suggestions(source, profile)
    everything = request.GET.get("suggested") == "all"
    context = {
        "source": source,
        "rows": selecting.rule_rows(source),
        "kinds": [(kind, selecting.SAID[kind]) for kind in KINDS],
        "profile": profile,
        "suggested": selecting.suggestion_rows(suggested if everything else suggested[:SHOWN]),
        "left": 0 if everything else max(0, len(suggested) - SHOWN),
        "severities": selecting.SEVERITIES.items(),
        "active": Run.objects.active().filter(source=source, detector=validating.DETECTOR).first(),
    }
    return render(request, "rules/index.html", context)


@for_roles(UserRole.ADMIN)
def new(request: HttpRequest, source_id: int) -> HttpResponse:
    """A new rule: the form of its kind; tried on the records, or kept."""
    source = get_object_or_404(Source, pk=source_id)
    given = request.POST if request.method == "POST" else request.GET
    kind = given.get("kind", "") if given.get("kind") in KINDS else next(iter(KINDS))
    context = selecting.form_choices(source) | {"kind": kind, "given": _given({}), "said": selecting.SAID[kind]}
    if request.method == "POST":
        config = config_of(request.POST, kind)
        context["given"] = _given(config)
        try:
            if "try" in request.POST:
                context["trial"] = _tried(source, config)
            else:
                made = validating.make_rule(
                    source=source, config=config, user=request.user, reason=request.POST.get("reason", "")
                )
                messages.success(
                    request, "Saved: it holds from the next run and import on. Check now to see who breaks it."
                )
                return redirect("rule", rule_id=made.quality_rule_id)
        except Refused as refusal:
            context["error"] = str(refusal)
    return render(request, "rules/new.html", context)


@for_roles(*STAFF)
def detail(request: HttpRequest, rule_id: int) -> HttpResponse:
    """One rule: what it says, who breaks it, its versions; an admin posts a new version, or tries one."""
    if request.method == "POST":
        require(request.user, UserRole.ADMIN)
    rule = get_object_or_404(QualityRule.objects.select_related("source"), pk=rule_id)
    row = selecting.rule_row(rule)
    config = row.version.config
    context: dict[str, Any] = selecting.form_choices(rule.source) | {"rule": rule, "row": row}
    if request.method == "POST":
        config = config_of(request.POST, str(config.get("kind"))) | {"name": rule.name}
        try:
            if "try" in request.POST:
                context["trial"] = _tried(rule.source, config)
            else:
                validating.change_rule(
                    quality_rule=rule, user=request.user, config=config, reason=request.POST.get("reason", "")
                )
                messages.success(request, "Saved as a new version: it holds from the next run and import on.")
                return redirect("rule", rule_id=rule.pk)
        except Refused as refusal:
            context["error"] = str(refusal)
    context |= {
        "kind": config.get("kind"),
        "given": _given({**config, "name": rule.name}),
        "page": selecting.failures_page(rule, row.result, number(request.GET.get("from")) or 0),
        "versions": rule.versions.select_related("by")[:50],
        "active": Run.objects.active().filter(source=rule.source, detector=validating.DETECTOR).first(),
    }
    return render(request, "rules/detail.html", context)


@for_roles(UserRole.ADMIN)
@require_POST
def switch(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Switch a rule on or off."""
    rule = get_object_or_404(QualityRule, pk=rule_id)
    is_on = request.POST.get("on") == "1"
    validating.change_rule(quality_rule=rule, user=request.user, is_on=is_on, reason=request.POST.get("reason", ""))
    messages.success(request, f"“{rule.name}” is switched {'on' if is_on else 'off'} from the next run and import on.")
    return redirect("rule", rule_id=rule.pk)


@for_roles(*STAFF)
def failing_file(request: HttpRequest, rule_id: int) -> HttpResponseBase:
    """Every record that breaks a rule, as CSV; masked as for whoever asks."""
    rule = get_object_or_404(QualityRule.objects.select_related("source"), pk=rule_id)
    result = rule_failures.newest_result(rule)
    if result is None:
        messages.error(request, "This rule was not checked yet.")
        return redirect("rule", rule_id=rule.pk)
    hide = masking.current().hidden(rule.source)
    return attachment(rule_failures.failures_csv(rule, result, hide=hide), f"{rule.name} of {rule.source.name}.csv")


@for_roles(UserRole.ADMIN)
@require_POST
def take(request: HttpRequest, source_id: int) -> HttpResponse:
    """Keep a rule that the data suggests."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        made = profiling.take_suggestion(
            source=source,
            name=request.POST.get("name", ""),
            severity=request.POST.get("severity", ""),
            user=request.user,
        )
        messages.success(request, f"“{made.quality_rule.name}” is a rule from the next run and import on.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("rules", source_id=source.pk)


@for_roles(UserRole.STEWARD)
@require_POST
def check(request: HttpRequest, source_id: int) -> HttpResponse:
    """Check all rules of a source now."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        run = running.request_run(source=source, detector=validating.DETECTOR, user=request.user)
        return redirect("run", run_id=run.pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("rules", source_id=source.pk)


def config_of(given: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """A rule's configuration as its form sends it; what makes no sense is left for the rule to refuse."""
    config: dict[str, Any] = {"kind": kind, "name": given.get("name", "").strip()}
    config["severity"] = given.get("severity") or "warning"
    config["when"] = _conditions(given, "when", WHEN)
    for name in ("field", "role", "country", "pattern", "relation", "other", "read_as", "to"):
        if name in given and _has(kind, name):
            config[name] = given[name].strip() if name != "pattern" else given[name]
    if _has(kind, "low"):
        config |= {name: _number(given.get(name, "")) for name in ("low", "high")}
    if _has(kind, "days"):
        config["days"] = _number(given.get("days", ""))
    if _has(kind, "values"):
        config["values"] = [line.strip() for line in given.get("values", "").splitlines() if line.strip()]
    if _has(kind, "fields"):
        config["fields"] = given.getlist("fields") if hasattr(given, "getlist") else given.get("fields", [])
    if _has(kind, "conditions"):
        config["conditions"] = _conditions(given, "conditions", CONDITIONS)
    return config


def _has(kind: str, name: str) -> bool:
    return name in KINDS[kind].__dataclass_fields__ if kind in KINDS else False


def _number(text: str) -> float | str | None:
    """A number; the text itself where it is none, which the rule refuses with a reason; None for a blank."""
    text = text.strip().replace(",", "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _conditions(given: Mapping[str, Any], part: str, most: int) -> list[dict[str, Any]]:
    """The conditions of a form whose field is chosen. Several texts stand on one line, apart by | signs."""
    found = []
    for at in range(most):
        names = ("field", "measure", "other", "relation", "value")
        one = {name: given.get(f"{part}-{at}-{name}", "").strip() for name in names}
        if not one["field"]:
            continue
        one["measure"] = one["measure"] or "text"
        if one["measure"] not in PAIRS:
            one["other"] = ""
        if one["relation"] in {"filled", "blank"}:
            one["value"] = ""
        several = [text.strip() for text in one["value"].split("|")] if one["measure"] == "text" else []
        found.append({**one, "value": several} if len(several) > 1 else one)
    return found


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as its form shows it: so many rows of conditions, those that are set first."""
    shown = dict(config)
    for part, most in (("when", WHEN), ("conditions", CONDITIONS)):
        rows = [dict(one) for one in config.get(part, [])]
        for one in rows:
            if isinstance(one.get("value"), list | tuple):
                one["value"] = " | ".join(one["value"])
        shown[part] = [*rows, *({} for _ in range(max(0, most - len(rows))))]
    return shown


def _tried(source: Source, config: Mapping[str, Any]) -> dict[str, Any]:
    trial = rule_failures.try_rule(source, validating.checked_rule(source, config))
    return {"found": trial, "rows": selecting.shown_failures(trial.failures)}
