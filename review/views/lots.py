"""Accepting many after judging a few: plan, draw, judge, and the rest in one step."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from crmquality.models import Source
from crmquality.services import access
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from detectors import registry
from review.models import Lot
from review.selectors import groups
from review.services import lots
from review.services.lots import Choice
from review.views.common import STAFF, for_roles, number


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """Lots, the latest first; the plan for a choice made in the form; the limits, for an admin."""
    rule = lots.rule_in_force()
    context = {
        "sources": Source.objects.all(),
        "detectors": list(registry.available()),
        "rule": rule,
        "percents": {"limit": f"{100 * rule.limit:g}", "risk": f"{100 * rule.risk:g}"},
        "is_admin": access.has_role(request.user, UserRole.ADMIN),
        "is_steward": access.has_role(request.user, UserRole.STEWARD),
        "lots": Lot.objects.select_related("source", "by", "rest")[:50],
    }
    choice = _choice(request)
    if choice and context["is_steward"]:
        context |= {"choice": choice, "proposed": lots.propose(choice, request.user), "enough": lots.ENOUGH}
    return render(request, "groups/lots.html", context)


@for_roles(UserRole.STEWARD)
@require_POST
def draw(request: HttpRequest) -> HttpResponse:
    """Fix the lot and draw its sample."""
    choice = _choice(request)
    if choice is None:
        messages.error(request, "Choose a source and a detector.")
        return redirect("lots")
    try:
        lot = lots.draw(choice=choice, user=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("lots")
    return redirect("lot", lot_id=lot.pk)


@for_roles(*STAFF)
def detail(request: HttpRequest, lot_id: int) -> HttpResponse:
    """The plan, how the sample is doing, and what may be done."""
    lot = get_object_or_404(Lot.objects.select_related("source", "by", "rest"), pk=lot_id)
    now = lots.standing(lot)
    context = {
        "lot": lot,
        "now": now,
        "passes": now.passes(lot),
        "fails": now.fails(lot),
        "rest": lot.size - now.judged,
        "open_rest": lot.places.filter(item__state="open").count(),
        "refusal": lots.refusal_of(lot, now) if now.fails(lot) else "",
        "cards": groups.sample_rows(list(lots.with_verdicts(lot))),
        "is_steward": access.has_role(request.user, UserRole.STEWARD),
    }
    return render(request, "groups/lot.html", context)


@for_roles(UserRole.STEWARD)
@require_POST
def judge(request: HttpRequest, lot_id: int) -> HttpResponse:
    """Replace what fell out of the sample, and go to the desk with the sample alone."""
    lot = get_object_or_404(Lot, pk=lot_id)
    lots.top_up(lot)
    return redirect(f"{reverse('queue')}?lot={lot.pk}")


@for_roles(UserRole.STEWARD)
@require_POST
def accept(request: HttpRequest, lot_id: int) -> HttpResponse:
    """Accept the rest of a lot whose sample passed."""
    lot = get_object_or_404(Lot, pk=lot_id)
    try:
        batch = lots.accept_rest(lot=lot, user=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("lot", lot_id=lot.pk)
    return redirect("batch", batch_id=batch.pk)


@for_roles(UserRole.ADMIN)
@require_POST
def rule(request: HttpRequest) -> HttpResponse:
    """Set the share of wrong ones that is tolerated, and the risk; given in percent."""
    try:
        limit, risk = (float(request.POST.get(name, "")) / 100 for name in ("limit", "risk"))
        lots.set_rule(limit=limit, risk=risk, user=request.user)
        messages.success(request, "Saved: lots drawn from now on follow it.")
    except (ValueError, Refused) as error:
        messages.error(request, str(error) if isinstance(error, Refused) else "Give both as numbers, in percent.")
    return redirect("lots")


def _choice(request: HttpRequest) -> Choice | None:
    asked = request.POST if request.method == "POST" else request.GET
    wanted = number(asked.get("source"))
    source = Source.objects.filter(pk=wanted).first() if wanted else None
    detector, action = asked.get("detector", "")[:60], asked.get("action", "")[:10]
    if source is None or not detector:
        return None
    return Choice(source, detector, action, _share(asked.get("min_score")))


def _share(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return min(1.0, max(0.0, value)) if value == value else 0.0
