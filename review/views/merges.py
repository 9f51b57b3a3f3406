"""The merge on a card, planned anew while a person ticks and chooses."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render

from crmquality.models import Record
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.selectors import as_seen
from review.selectors.merge_cards import merge_view
from review.services.queue import visible_items
from review.views.common import for_roles, number


@for_roles(UserRole.STEWARD, UserRole.SALES)
def merge(request: HttpRequest, item_id: int) -> HttpResponse:
    """The merge of an item as ticked and chosen in the query; it writes and reserves nothing."""
    item = get_object_or_404(visible_items(request.user).select_related("finding", "source"), pk=item_id)
    as_seen.restore(item)
    records = {one.pk: one for one in Record.objects.filter(pk__in=item.finding.subjects).select_related("source")}
    as_seen.restore_records(item, records)
    if item.action != "merge" or set(item.finding.subjects) - set(records):
        return HttpResponse("This is no merge, or its records are gone.", status=400, content_type="text/plain")
    said = ""
    try:
        view = merge_view(item.finding, records, merge_choices(request.GET))
    except Refused as refusal:
        said = str(refusal)
        view = merge_view(item.finding, records)
    return render(request, "queue/merge.html", {"merge": view, "item": item, "said": said})


def merge_choices(given: QueryDict) -> dict[str, Any]:
    """What a person ticked and chose: "field:NAME" texts, "pick:NAME" records, "survivor", "member"s, confirmations."""
    chosen: dict[str, Any] = {"changes": {}, "picks": {}}
    for name, value in given.items():
        kind, _, column = name.partition(":")
        if kind == "field" and isinstance(value, str):
            chosen["changes"][column] = value.strip() or None
        elif kind == "pick":
            chosen["picks"][column] = number(str(value)) or 0
    survivor = number(given.get("survivor"))
    ticked = [one for one in map(number, given.getlist("member")) if one and one != survivor]
    if survivor and ticked:
        chosen |= {"survivor": survivor, "members": ticked}
    if given.get("seen"):
        chosen["seen"] = given["seen"]
    return chosen | {name: True for name in ("split", "allow_collisions") if given.get(name) == "1"}
