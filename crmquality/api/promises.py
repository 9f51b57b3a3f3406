"""What holds for every route: nothing is done twice that came under one key, and nothing overwritten unseen.

A POST may bring an Idempotency-Key: what it did, its answer and the key are committed together, so a repetition after a
lost answer, or beside the first, gets the same answer and does nothing. An error is kept nowhere: it did nothing, or
nothing but what it says. What is read alone carries an ETag; any write to it may bring If-Match.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.http import parse_etags
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.errors import KeyReused, PreconditionFailed, PreconditionRequired
from crmquality.models import KeptAnswer

Handler = Callable[..., Response]
KEY, IF_MATCH = "Idempotency-Key", "If-Match"
LONGEST_KEY = 80

_NOTHING = "Writes nothing."
_PERSONAL = "Shows personal values, each time noted in the log: an answer that is kept would show them unnoted."
WITHOUT_KEY = {
    "api-check-list": _NOTHING,
    "api-connection-test": _NOTHING,
    "api-connection-objects": _NOTHING,
    "api-enrichment-test": _NOTHING,
    "api-outbox-calls": _NOTHING,
    "api-own-record-check": _NOTHING,
    "api-item-merge": _NOTHING,
    "api-lot-plan": _NOTHING,
    "api-policy-preview": _NOTHING,
    "api-rule-try": _NOTHING,
    "api-record-reveal": _PERSONAL,
    "api-item-reveal": _PERSONAL,
    "api-destination-key": "Its answer is a secret, and secrets are kept in one place only.",
    "api-token": "Its answer is a secret, and who logs in is nobody yet; a new token replaces the one before.",
    "api-hook": "Other systems send it, by their own rules; the same hint twice is one pull.",
}
"""The routes whose POST takes no Idempotency-Key, and why."""

NEED_IF_MATCH = {("api-record-detail", "PATCH"), ("api-own-record-fix", "POST")}
"""Routes and methods that are refused without If-Match: they write into records."""


def promised(view: Any, handler: Handler) -> Handler:
    """The handler of a writing method, held to If-Match and, for a POST, to its Idempotency-Key."""

    def answer(request: Request, *args: Any, **kwargs: Any) -> Response:
        route = _route(request)
        key = request.headers.get(KEY, "") if request.method == "POST" and takes_key(route) else ""
        seen = parse_etags(request.headers.get(IF_MATCH, "")) if view.detail else []
        is_needed = (route, request.method) in NEED_IF_MATCH
        if not key and not seen and not is_needed:
            return handler(request, *args, **kwargs)
        if len(key) > LONGEST_KEY or "\0" in key:
            raise KeyReused(f"An Idempotency-Key has at most {LONGEST_KEY} characters.")
        with transaction.atomic():
            digest = _digest(request) if key else ""
            earlier = _earlier(request.user, key) if key else None
            if earlier:
                return _again(earlier, digest)
            if seen or is_needed:
                _refuse_stale(view, seen)
            done = _done(view, handler, request, *args, **kwargs)
            if key and done.status_code < 400:
                _keep(request.user, key, digest, done)
            return done

    return answer


def takes_key(route: str) -> bool:
    """Whether the POST of a route, by its name, can be repeated under a key."""
    return route not in WITHOUT_KEY


def tag(response: Response) -> str:
    """The ETag of an answer: the one it brings, or a strong one of what it says."""
    return response.headers.get("ETag") or f'"{hashlib.sha256(_json(response.data)).hexdigest()[:32]}"'


def is_read_alone(view: Any, request: Request, response: Any) -> bool:
    """Whether an answer shows one thing, in JSON, and so has an ETag."""
    return (
        request.method in SAFE_METHODS
        and bool(getattr(view, "detail", False))
        and isinstance(response, Response)
        and response.status_code == 200
    )


def _refuse_stale(view: Any, seen: Collection[str]) -> None:
    """Lock what a write is about, to the end.

    Raises PreconditionRequired if nothing was seen, PreconditionFailed if it is none of what was.
    """
    found = view.get_object()
    if not seen:
        raise PreconditionRequired
    rows: QuerySet[Any] = type(found)._base_manager.filter(pk=found.pk)
    is_there = rows.select_for_update().first() is not None
    if not is_there or not {view.current_etag(), "*"} & set(seen):
        raise PreconditionFailed


def _done(view: Any, handler: Handler, request: Request, *args: Any, **kwargs: Any) -> Response:
    """The handler's answer, its errors answered too, so that what they left on purpose is committed."""
    try:
        return handler(request, *args, **kwargs)
    except Exception as error:
        if connection.needs_rollback:
            raise
        answer: Response = view.handle_exception(error)  # raises again what nobody foresaw
        return answer


def _earlier(user: Any, key: str) -> KeptAnswer | None:
    """What was answered under this key. Waits for a request with the same key that is under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"answer {user.pk} {key}"])
    return KeptAnswer.objects.filter(by=user, key=key).first()


def _again(kept: KeptAnswer, digest: str) -> Response:
    if kept.digest != digest:
        raise KeyReused
    headers = {"Idempotency-Replayed": "true"} | ({"ETag": kept.etag} if kept.etag else {})
    said = None if kept.body is None else json.loads(kept.body)
    return Response(said, status=kept.status, headers=headers)


def _keep(user: Any, key: str, digest: str, done: Response) -> None:
    KeptAnswer.objects.create(
        by=user,
        key=key,
        digest=digest,
        status=done.status_code,
        body=None if done.data is None else _json(done.data).decode(),
        etag=done.headers.get("ETag", ""),
    )


def _digest(request: Request) -> str:
    """Of method, path and body; files by their content. Raises ParseError for a body that is none."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    for piece in _pieces(request.data):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(data: Any) -> Iterator[bytes]:
    if not hasattr(data, "lists"):
        yield json.dumps(data, sort_keys=True).encode()
        return
    for name, values in sorted(data.lists()):
        for value in values:
            is_file = hasattr(value, "chunks")
            yield json.dumps([name, value.name if is_file else value]).encode()
            if is_file:
                yield from value.chunks()
                value.seek(0)


def _json(data: Any) -> bytes:
    rendered: bytes = JSONRenderer().render(data)
    return rendered


def _route(request: Request) -> str:
    match = request.resolver_match
    return (match.url_name or "") if match else ""
