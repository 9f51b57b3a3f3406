"""The queue as a list, and what is kept around it: assignments, comments, saved views, daily budgets."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from crmquality.services import access
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.selectors import listing
from review.services import desks
from review.services import queue as queueing
from review.services.filtering import visible_items
from review.views.common import DECIDERS, EVERYONE, for_roles, number
from review.views.filters import asked_filters, frame


@for_roles(*EVERYONE)
def index(request: HttpRequest) -> HttpResponse:
    """The open items, a page at a time; page 9,000 costs what page 1 costs."""
    context = frame(request)
    page = listing.page(user=request.user, filters=context["filters"], cursor=request.GET.get("after", "")[:100])
    may_assign = access.has_role(request.user, UserRole.STEWARD)
    may_decide = access.has_role(request.user, *DECIDERS)
    return render(
        request, "queue/list.html", context | {"page": page, "may_assign": may_assign, "may_decide": may_decide}
    )


@for_roles(UserRole.STEWARD)
@require_POST
def assign(request: HttpRequest) -> HttpResponse:
    """Give the ticked items to one person; asked from a card, answers with that part of the card."""
    ids = [one for one in map(number, request.POST.getlist("item")[:500]) if one]
    name = request.POST.get("to", "")[:150]
    try:
        to = _person(name)
        count = queueing.assign(items=ids, to=to, by=request.user)
        said = f"{count} item{'' if count == 1 else 's'} assigned to {to.username if to else 'nobody in particular'}."
        messages.success(request, said) if not _part(request) else None
    except Refused as refusal:
        said = str(refusal)
        messages.error(request, said) if not _part(request) else None
    if _part(request) and len(ids) == 1:
        item = get_object_or_404(visible_items(request.user), pk=ids[0])
        return render(request, "queue/assign.html", {"item": item, "assigned": said})
    return _back(request)


@for_roles(*DECIDERS)
@require_POST
def comment(request: HttpRequest, item_id: int) -> HttpResponse:
    """Note something about an item; answers with all its comments."""
    item = get_object_or_404(visible_items(request.user), pk=item_id)
    refused = ""
    try:
        desks.comment(item=item, text=request.POST.get("text", ""), user=request.user)
    except Refused as refusal:
        refused = str(refusal)
    if not _part(request):
        return redirect("item", item_id=item.pk)
    context = {"item": item, "comments": desks.comments_on(item), "refused": refused, "open": True}
    return render(request, "queue/comments.html", context)


@for_roles(*DECIDERS)
@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Keep the filters that came with the form under a name."""
    query = asked_filters(request.POST).as_query()
    query = {name: value for name, value in query.items() if name in desks.FILTER_NAMES}
    try:
        view = desks.save_view(
            user=request.user,
            name=request.POST.get("name", ""),
            query=query,
            shared=request.POST.get("shared") == "1",
        )
        messages.success(request, f"The view “{view.name}” is kept.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return _back(request, urlencode(query))


@for_roles(*DECIDERS)
@require_POST
def delete_view(request: HttpRequest, view_id: int) -> HttpResponse:
    """Forget a view: one's own, or as an admin anyone's."""
    get_object_or_404(desks.own_or_shared(request.user), pk=view_id).delete()
    return _back(request)


@for_roles(UserRole.ADMIN)
def budgets(request: HttpRequest) -> HttpResponse:
    """How many cards a day are asked of each person."""
    if request.method == "POST":
        person = get_object_or_404(User, username=request.POST.get("user", "")[:150])
        try:
            desks.set_budget(user=person, cards=number(request.POST.get("cards")), by=request.user)
            messages.success(request, f"Kept for {person.username}.")
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("budgets")
    people = [
        {"user": person, "budget": desks.budget_of(person), "today": desks.decided_today(person)}
        for person in listing.deciders()
    ]
    return render(request, "queue/budgets.html", {"rows": people})


def _person(name: str) -> User | None:
    if not name:
        return None
    found = User.objects.filter(username=name).first()
    if found is None:
        raise Refused(f"There is nobody called {name!r}.")
    return found


def _part(request: HttpRequest) -> bool:
    """Whether a script asks for a part of the page."""
    return bool(request.headers.get("HX-Request"))


def _back(request: HttpRequest, query: str = "") -> HttpResponse:
    """To the desk or the list, whichever the form was on; nowhere else."""
    name = (
        "queue-list" if request.POST.get("from") == "list" or not access.has_role(request.user, *DECIDERS) else "queue"
    )
    query = query or request.POST.get("query", "")[:1000]
    return redirect(reverse(name) + (f"?{query}" if query else ""))
