"""Who sees personal values, and who did: the policy of each source, revealing, and the log of it."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import DateField
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST

from crmquality.models import AccessPolicy, Record, Source
from crmquality.services import access, disclosing
from crmquality.services.access import UserRole, require
from crmquality.services.errors import Refused
from crmquality.services.masking import PERSONAL
from review.services.queue import visible_items
from review.views.common import DECIDERS, for_roles, number

OVERSEERS = (UserRole.AUDITOR, UserRole.ADMIN)
PAGE = 50


@for_roles(*DECIDERS)
@require_POST
def reveal_record(request: HttpRequest, record_id: int) -> HttpResponse:
    """Show the masked values of one record to this person for some minutes; logged."""
    rows = access.visible_records(request.user).select_related("source")
    _reveal(request, [get_object_or_404(rows, pk=record_id)])
    if request.POST.get("next") == "own":
        return redirect("own-record", record_id=record_id)
    return redirect("record", record_id=record_id)


@for_roles(*DECIDERS)
@require_POST
def reveal_item(request: HttpRequest, item_id: int) -> HttpResponse:
    """The same for all records of a card, which is shown again."""
    item = get_object_or_404(visible_items(request.user).select_related("finding"), pk=item_id)
    _reveal(request, list(Record.objects.filter(pk__in=item.finding.subjects).select_related("source")))
    return redirect("item", item_id=item_id)


@for_roles(*OVERSEERS)
def policies(request: HttpRequest) -> HttpResponse:
    """Each source's policy: what is masked for whom, and what sales people decide; an admin posts a new version."""
    if request.method == "POST":
        require(request.user, UserRole.ADMIN)
        return _set(request)
    context = {
        "rows": [(source, disclosing.policy_in_force(source)) for source in Source.objects.all()],
        "people": [role.value for role in UserRole],
        "kinds": [(name, " ".join(roles)) for name, roles in PERSONAL.items()],
        "actions": [
            ("set", "Corrections"),
            ("merge", "Merges"),
            ("link", "Links across sources"),
            ("flag", "Anomalies"),
        ],
        "versions": AccessPolicy.objects.select_related("source", "by")[:20],
        "may_change": access.has_role(request.user, UserRole.ADMIN),
    }
    return render(request, "privacy/policies.html", context)


@for_roles(*OVERSEERS)
def disclosures(request: HttpRequest) -> HttpResponse:
    """Every disclosure, the latest first; filtered by person, source, record and day."""
    asked = _asked(request)
    rows = disclosing.log(asked)
    before = number(request.GET.get("before"))
    found = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "rows": found[:PAGE],
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "asked": asked,
        "query": query.urlencode(),
        "sources": Source.objects.all(),
    }
    return render(request, "privacy/disclosures.html", context)


@for_roles(*OVERSEERS)
def disclosures_file(request: HttpRequest) -> StreamingHttpResponse:
    """The same as CSV."""
    answer = StreamingHttpResponse(
        disclosing.log_csv(disclosing.log(_asked(request))), content_type="text/csv; charset=utf-8"
    )
    header = content_disposition_header(as_attachment=True, filename="disclosures.csv")
    answer["Content-Disposition"] = header or "attachment"
    return answer


def _reveal(request: HttpRequest, records: list[Record]) -> None:
    try:
        if disclosing.reveal(records=records, user=request.user, why=request.POST.get("why", "")):
            messages.info(request, "Shown for five minutes, and noted in the disclosure log.")
    except Refused as refusal:
        messages.error(request, str(refusal))


def _set(request: HttpRequest) -> HttpResponse:
    source = get_object_or_404(Source, pk=number(request.POST.get("source")))
    try:
        disclosing.set_policy(
            source=source,
            masked_for=request.POST.getlist("masked_for"),
            columns=[role for kind in request.POST.getlist("columns") for role in kind.split()],
            reason_required=request.POST.get("reason_required") == "1",
            sales_decide=request.POST.getlist("sales_decide"),
            by=request.user,
        )
        messages.success(request, f"Saved for {source.name}; it holds from now on.")
    except Refused as refusal:
        messages.error(request, f"Not saved: {refusal}")
    return redirect("access")


def _asked(request: HttpRequest) -> disclosing.Asked:
    return disclosing.Asked(
        by=request.GET.get("by", "").strip()[:150],
        source=number(request.GET.get("source")),
        record=request.GET.get("record", "").strip()[:1000].replace("\0", ""),
        since=_day(request.GET.get("since")),
        until=_day(request.GET.get("until")),
    )


def _day(text: str | None) -> date | None:
    try:
        found: date | None = DateField(required=False).clean(text or "")
    except ValidationError:
        return None
    return found
