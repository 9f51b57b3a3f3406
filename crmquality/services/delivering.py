"""Telling destinations what happened: signed webhooks and e-mails, tried again, told once, sent anew by hand.

Webhooks keep to Standard Webhooks (https://www.standardwebhooks.com): the headers webhook-id, webhook-timestamp and
webhook-signature, the body {"type", "timestamp", "data"}. A message that could not be delivered after all attempts
stays as a dead letter (a failed delivery) until a person sends it again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from crmquality.models import Delivery, Destination, JobState
from crmquality.models.deliveries import new_message_id
from crmquality.services import outgoing
from crmquality.services.errors import Conflict, Refused
from crmquality.services.leases import Lost, Report, TryAgain, do_job
from crmquality.services.publishing import publish

TASK = "crmquality.tasks.execute_delivery"
BOTH_KEYS_FOR = timedelta(days=1)
"""After its key was changed a message is signed with the old one too, so that a receiver can change in peace."""

BREAKS_AFTER = 5
LONGEST_PAUSE = timedelta(hours=1)
GONE = 410

EVENTS: dict[str, str] = {
    "test": "a test, sent by hand",
}
"""Type of event -> what it tells, in words. Who tells of another kind registers it."""


def register_event(name: str, words: str) -> None:
    """Let destinations ask for this type of event."""
    EVENTS[name] = words


def save_destination(
    *,
    name: str,
    kind: str,
    target: str,
    events: list[str],
    user: Any,
    destination: Destination | None = None,
    enabled: bool = True,
    allow_private: bool = False,
) -> Destination:
    """Make or change a destination. Raises Refused for an address that cannot be told, or an unknown event."""
    unknown = [event for event in events if event not in EVENTS]
    if unknown:
        raise Refused(f"There is no event {unknown[0]!r}: choose among {', '.join(EVENTS)}.")
    if not name.strip():
        raise Refused("Give the destination a name.")
    _check_target(kind, target.strip())
    found = destination or Destination(created_by=user)
    found.name, found.kind, found.target = name.strip()[:120], kind, target.strip()
    found.events, found.enabled, found.allow_private = events, enabled, allow_private and kind == "webhook"
    found.failures, found.paused_until = 0, None
    try:
        with transaction.atomic():
            found.save()
    except IntegrityError as error:
        raise Conflict(f"There is a destination named {found.name!r} already.") from error
    return found


def key_of(destination: Destination, number: int | None = None) -> bytes:
    """The signing key: derived from the installation's secret, so that no table holds it."""
    text = f"webhook {destination.pk} {number or destination.key_number}"
    return hmac.digest(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256)


def shown_key(destination: Destination) -> str:
    """The signing key as a receiver's library wants it: whsec_..."""
    return f"whsec_{base64.b64encode(key_of(destination)).decode()}"


def change_key(destination: Destination) -> Destination:
    """Let a new key sign from now on; the old one signs beside it for a day."""
    Destination.objects.filter(pk=destination.pk).update(key_number=F("key_number") + 1, key_changed_at=timezone.now())
    destination.refresh_from_db()
    return destination


def tell(event: str, *, key: str, title: str, text: str, data: Mapping[str, Any]) -> list[Delivery]:
    """Queue a message for every destination that asked for this event; one told of this key before is left out.

    Call it in the transaction of what happened: both are there, or neither.
    """
    wanted = Destination.objects.filter(enabled=True, events__contains=[event])
    made = (_queue(one, event, key=key, title=title, text=text, data=data) for one in wanted)
    return [delivery for delivery in made if delivery is not None]


def send_test(destination: Destination) -> Delivery:
    """Send a message that says it is a test."""
    text = "If you can read this, this destination works."
    made = _queue(destination, "test", key=new_message_id(), title="A test of CRM Quality", text=text, data={})
    assert made is not None  # the key is new
    return made


def replay(delivery: Delivery) -> Delivery:
    """Send a message again, under the same message id. Raises Conflict while it is still being tried."""
    if delivery.is_active:
        raise Conflict("It is still being tried.")
    with transaction.atomic():
        again: Delivery = Delivery.objects.create(
            **{name: getattr(delivery, name) for name in ("event", "key", "message_id", "title", "text", "data")},
            destination=delivery.destination,
            replays=delivery,
        )
        publish(TASK, again.pk)
    return again


def execute_delivery(delivery_id: int) -> None:
    """Send a queued message, unless another worker has it. Never raises: how it ended stands in the row."""
    do_job(Delivery, delivery_id, _deliver)


def signature(destination: Destination, message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: "v1,..." for the key and, for a day after it was changed, for the one before."""
    numbers = [destination.key_number]
    changed = destination.key_changed_at
    if changed and timezone.now() < changed + BOTH_KEYS_FOR:
        numbers.append(destination.key_number - 1)
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    digests = (hmac.digest(key_of(destination, number), signed, hashlib.sha256) for number in numbers)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _check_target(kind: str, target: str) -> None:
    if kind == Destination.Kind.WEBHOOK:
        outgoing.check_url(target)
    elif kind == Destination.Kind.EMAIL:
        if not settings.EMAIL_HOST:
            raise Refused("No mail server is set: an operator sets CRMQUALITY_MAIL_HOST (see docs/alarms.md).")
        try:
            validate_email(target)
        except ValidationError as error:
            raise Refused(f"{target!r} is no e-mail address.") from error
    else:
        raise Refused(f"There is no kind of destination {kind!r}: choose webhook or email.")


def _queue(destination: Destination, event: str, *, key: str, **message: Any) -> Delivery | None:
    later = {"run_after": destination.paused_until} if destination.paused_until else {}
    try:
        with transaction.atomic():
            made: Delivery = Delivery.objects.create(
                destination=destination, event=event, key=key[:120], **message, **later
            )
    except IntegrityError:
        return None
    publish(TASK, made.pk)
    return made


def _deliver(delivery: Delivery, report: Report) -> None:
    destination = delivery.destination
    if not destination.enabled:
        raise Refused("The destination is switched off.")
    report(0, 1, "sending")
    failure = _mail(delivery) if destination.kind == Destination.Kind.EMAIL else _post(delivery)
    if failure is None:
        Destination.objects.filter(pk=destination.pk).update(failures=0, paused_until=None)
        if not Delivery.objects.finish(delivery, JobState.SUCCEEDED):
            raise Lost
        return
    _note_failure(destination)
    if delivery.answer == GONE:
        Destination.objects.filter(pk=destination.pk).update(enabled=False)
        raise Refused("It answered 410: it wants no more messages, so it was switched off.")
    raise TryAgain(failure)


def _post(delivery: Delivery) -> str | None:
    """None if the webhook took it, else why not."""
    destination, now = delivery.destination, int(time.time())
    message = {"type": delivery.event, "timestamp": delivery.created_at.isoformat(), "data": delivery.data}
    body = json.dumps(message, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "crmquality",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(destination, delivery.message_id, now, body),
    }
    try:
        status = outgoing.post(destination.target, body, headers, allow_private=destination.allow_private)
    except outgoing.Unreachable as error:
        return str(error)
    delivery.answer = status
    Delivery.objects.held(delivery).update(answer=status)
    if 200 <= status < 300:
        return None
    return f"It answered {status}{'; redirects are not followed' if 300 <= status < 400 else ''}."


def _mail(delivery: Delivery) -> str | None:
    """None if the mail server took it, else why not."""
    try:
        headers = {"Message-ID": f"<{delivery.message_id}@crmquality>"}  # a mail sent twice shows once
        mail.EmailMessage(delivery.title, delivery.text, None, [delivery.destination.target], headers=headers).send()
    except OSError as error:  # smtplib's errors are OSErrors; their text may quote the message
        return f"The mail server did not take it ({type(error).__name__})."
    return None


def _note_failure(destination: Destination) -> None:
    """Count it; after several in a row let all messages of this destination wait, longer each time."""
    Destination.objects.filter(pk=destination.pk).update(failures=F("failures") + 1)
    destination.refresh_from_db(fields=["failures"])
    over = destination.failures - BREAKS_AFTER
    if over < 0:
        return
    until = timezone.now() + min(LONGEST_PAUSE, timedelta(minutes=1) * 2 ** min(over, 10))
    Destination.objects.filter(pk=destination.pk).update(paused_until=until)
    waiting = Delivery.objects.filter(destination=destination, state=JobState.QUEUED, run_after__lt=until)
    waiting.update(run_after=until)
