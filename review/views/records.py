"""Records, what is known about each, and every change."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Trim
from django.db.models.lookups import Exact
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from crmquality.models import Change, Record, Source
from crmquality.selectors import outbox
from crmquality.selectors.attributions import attributions
from crmquality.selectors.naming import title
from crmquality.services import access, masking, measuring, scoring
from crmquality.services.access import UserRole
from crmquality.services.disclosing import policy_in_force
from crmquality.services.merging import children
from review.selectors.linked import linked
from review.selectors.relations import related
from review.services.queue import visible_items
from review.views.common import EVERYONE, for_roles, number

PAGE = 50


@for_roles(*EVERYONE)
def index(request: HttpRequest, source_id: int) -> HttpResponse:
    """The records of a source, by id; ?q= finds text in any field or the external id.

    ?column= with ?value= narrows them to live records that hold this value there, with ?is=blank to those that hold
    nothing.
    """
    source = get_object_or_404(Source, pk=source_id)
    rows = access.visible_records(request.user, Record.objects.filter(source=source)).order_by("id")
    column, value = request.GET.get("column", ""), request.GET.get("value", "")
    if column:
        if column not in source.columns or column in masking.current().hidden(source):
            raise Http404
        rows = _holding(rows, column, None if request.GET.get("is") == "blank" else value)
    asked = request.GET.get("q", "").strip()[:200]
    if asked:
        rows = masking.current().searchable(rows).filter(Q(external_id=asked) | Q(text__icontains=asked))
    after = number(request.GET.get("after"))
    if after:
        rows = rows.filter(pk__gt=after)
    found = list(rows[: PAGE + 1])
    context = {
        "source": source,
        "records": [masking.current().record(record) for record in found[:PAGE]],
        "after": found[PAGE - 1].pk if len(found) > PAGE else None,
        "asked": asked,
        "column": column,
        "value": value,
        "is_blank": request.GET.get("is") == "blank",
        "more": urlencode({name: request.GET[name] for name in ("q", "column", "value", "is") if name in request.GET}),
        "columns": list(dict.fromkeys([*([column] if column else []), *source.columns[:8]])),
    }
    return render(request, "records/index.html", context)


def _holding(rows: QuerySet[Record], column: str, value: str | None) -> QuerySet[Record]:
    """The live records among these whose column holds the value, but for white space around it; None: nothing."""
    held = Trim(Coalesce(KeyTextTransform(column, "fields"), Value("", TextField())))
    return rows.filter(Exact(held, Value(value or "", TextField())), golden__isnull=True, gone_at__isnull=True)


@for_roles(*EVERYONE)
def detail(request: HttpRequest, record_id: int) -> HttpResponse:
    """One record: its values, what is claimed about it, its history, what refers to it."""
    record = get_object_or_404(access.visible_records(request.user).select_related("source", "golden"), pk=record_id)
    mask = masking.current()
    shown = mask.record(record)
    items = visible_items(request.user).open().filter(finding__subjects__contains=[record.pk])
    history = Change.objects.filter(record=record).select_related("change_set", "change_set__by", "record__source")
    said = {one.field: one for one in attributions(record)}
    context = {
        "record": shown,
        "title": title(shown),
        "score": measuring.record_score(record),
        "values": [
            (name, shown.fields.get(name), record.source.roles.get(name, ""), said.get(name))
            for name in record.source.columns
        ],
        "predicted": scoring.scores_of(record),
        "masked": sorted(mask.hides(record)),
        "may_reveal": access.has_role(request.user, UserRole.STEWARD, UserRole.SALES),
        "reason_required": policy_in_force(record.source).reason_required,
        "claims": [(item, mask.finding(item.finding)) for item in items.select_related("finding")],
        "history": mask.changes(history.order_by("-id")[:50]),
        "merged": access.visible_records(request.user, record.merged.all())[:50],
        "children": access.visible_records(request.user, children(record))[:50],
        "linked": [(mask.record(one), decision) for one, decision in linked(request.user, record)],
        "related": related(request.user, record),
        "outbox": outbox.of_record(record),
        "sees_outbox": access.sees_everything(request.user),
    }
    return render(request, "records/detail.html", context)
