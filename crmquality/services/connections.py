"""Connections to systems: made, changed, tried, opened; and how many requests they may make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from crmquality.connectors import registry
from crmquality.connectors.contract import Line, ObjectType, Quota, System, SystemConnector
from crmquality.connectors.faults import Denied, Invalid, QuotaSpent, SystemFault, Throttled, Unreachable
from crmquality.connectors.settings import moved, read, require_secrets
from crmquality.models import Connection, OutboxEntry, Usage
from crmquality.services import vault
from crmquality.services.errors import Refused

LONGEST_GRACE = timedelta(days=7)
PAUSE = timedelta(seconds=30)
"""So long nothing is asked of a system that does not answer."""

SHORTEST_PAUSE = timedelta(seconds=1)
_SPEND = """
    INSERT INTO crmquality_usage AS usage (connection_id, day, calls) VALUES (%(connection)s, %(day)s, 1)
    ON CONFLICT (connection_id, day) DO UPDATE SET calls = usage.calls + 1
    WHERE %(limit)s::int IS NULL OR usage.calls < %(limit)s
    RETURNING calls
"""


def make(
    *,
    name: str,
    connector: str,
    given: Mapping[str, Any],
    user: Any = None,
    grace: timedelta = timedelta(minutes=1),
    daily_calls: int | None = None,
) -> Connection:
    """Keep a new connection; it is not tried. given: setting -> value, secrets among them.

    Raises Refused for an unknown connector, settings that do not do, or a name that is taken.
    """
    kind = connector_of(connector)
    name = name.strip()
    if not name or len(name) > 100:
        raise Refused("A connection needs a name of at most 100 characters.")
    if Connection.objects.filter(name=name).exists():
        raise Refused(f"There is a connection {name!r} already.")
    with faults_as_refused():
        plain, secrets = read(kind.settings, given)
        require_secrets(kind.settings, secrets)
    made = Connection(name=name, connector=connector, settings=plain, created_by=user)
    _set_limits(made, grace, daily_calls)
    made.secrets = vault.seal(secrets, bound_to=made.uid)
    made.save()
    return made


def change(
    *, connection: Connection, given: Mapping[str, Any], grace: timedelta, daily_calls: int | None
) -> Connection:
    """Change how a system is reached. Secrets left blank stay, unless they would be sent to another place.

    Raises Refused for settings that do not do.
    """
    kind = connector_of(connection.connector)
    with faults_as_refused():
        plain, secrets = read(kind.settings, given)
        known = {} if moved(kind.settings, connection.settings, plain) else _secrets(connection)
        if not secrets.keys() >= {one.name for one in kind.settings if one.secret and one.required} - known.keys():
            raise Invalid("The system is at another place now: give its secrets anew.")
    _set_limits(connection, grace, daily_calls)
    connection.settings = plain
    connection.secrets = vault.seal({**known, **secrets}, bound_to=connection.uid)
    connection.save()
    return connection


def schedule(*, connection: Connection, pull_every: timedelta | None, full_every: timedelta | None) -> None:
    """Say how often it is pulled by itself; None: by hand only. Raises Refused below five minutes."""
    for interval in (pull_every, full_every):
        if interval is not None and interval < timedelta(minutes=5):
            raise Refused("Pulls are at least five minutes apart.")
    Connection.objects.filter(pk=connection.pk).update(pull_every=pull_every, full_every=full_every)


def pause(*, connection: Connection, why: str) -> None:
    """Send and pull nothing until it is resumed."""
    Connection.objects.filter(pk=connection.pk).update(paused_because=why[:300] or "paused by an admin")


def resume(*, connection: Connection) -> None:
    """Send and pull again; what waited leaves."""
    Connection.objects.filter(pk=connection.pk).update(paused_because="", held_until=None, held_because="")


def remove(*, connection: Connection) -> None:
    """Forget the connection; its sources and records stay. Raises Refused while writes are pending."""
    with transaction.atomic():
        if OutboxEntry.objects.pending().filter(connection=connection).exists():
            raise Refused("Writes are pending: wait for them, or pause the connection and settle them first.")
        connection.delete()


def try_out(connection: Connection) -> str:
    """Connect and say who answers. Raises Refused with the reason if that fails."""
    with faults_as_refused(), opened(connection, timeout=10) as system:
        said = system.check()
        note_quota(connection, system)
    return said


def describe(connection: Connection) -> list[ObjectType]:
    """The objects of a system. Raises Refused if it cannot be asked."""
    with faults_as_refused(), opened(connection, timeout=20) as system:
        return list(system.describe())


def connector_of(name: str) -> SystemConnector:
    """An installed connector to a system. Raises Refused."""
    try:
        return registry.load_system(name)
    except (registry.UnknownConnector, ImportError) as error:
        raise Refused(str(error)) from error


@contextmanager
def opened(connection: Connection, *, timeout: float = 30.0) -> Iterator[System]:
    """An open connection to the system; every request is counted. Raises what the connector does, and Refused."""
    kind = connector_of(connection.connector)
    line = Line(spend=lambda: spend(connection), timeout=timeout)
    with kind.connect(connection.settings, _secrets(connection), line) as system:
        yield system


def spend(connection: Connection) -> None:
    """Count one request of today. Raises QuotaSpent if that is one too many."""
    with database.cursor() as cursor:
        limit = connection.daily_calls
        cursor.execute(_SPEND, {"connection": connection.pk, "day": today(), "limit": limit})
        row = cursor.fetchone()
    if row is None or (limit is not None and row[0] > limit):
        raise QuotaSpent(f"All {limit:,} requests of today are made; it goes on at midnight UTC.")


def calls_today(connection: Connection) -> int:
    """How many requests were made today."""
    found = Usage.objects.filter(connection=connection, day=today()).values_list("calls", flat=True)
    return next(iter(found), 0)


def note_quota(connection: Connection, system: System) -> None:
    """Keep what the system said of its own quota."""
    said: Quota | None = system.quota()
    if said is not None:
        resets = said.resets_at.isoformat() if said.resets_at else None
        kept = {"limit": said.limit, "used": said.used, "resets_at": resets}
        Connection.objects.filter(pk=connection.pk).update(quota=kept)


def react(connection: Connection, fault: SystemFault) -> None:
    """What a fault means for all further requests: a pause, a wait until tomorrow, or a person has to mend it."""
    match fault:
        case Throttled():
            asked = timedelta(seconds=min(fault.seconds, 3600))
            hold(connection, timezone.now() + max(asked, SHORTEST_PAUSE), str(fault))
        case QuotaSpent():
            hold(connection, datetime.combine(today() + timedelta(days=1), time(), UTC), str(fault))
        case Unreachable():
            hold(connection, timezone.now() + PAUSE, str(fault))
        case Denied():
            pause(connection=connection, why=str(fault))


def hold(connection: Connection, until: datetime, why: str) -> None:
    """Make no request before this time; a later one that is kept already stays."""
    rows = Connection.objects.filter(pk=connection.pk)
    rows.exclude(held_until__gt=until).update(held_until=until, held_because=why[:300])


def today() -> Any:
    """The day whose quota counts (UTC)."""
    return timezone.now().astimezone(UTC).date()


@contextmanager
def faults_as_refused() -> Iterator[None]:
    """What a system does not do is refused, in its words."""
    try:
        yield
    except SystemFault as fault:
        raise Refused(str(fault)) from fault


def held_secrets(connection: Connection) -> set[str]:
    """The names of the secrets that are kept."""
    try:
        return set(_secrets(connection))
    except Refused:
        return set()


def hook_path(connection: Connection) -> str:
    """The path at which webhooks of the system are heard; "" if its connector understands none."""
    try:
        return reverse("api-hook", args=[connection.uid]) if connector_of(connection.connector).hears else ""
    except Refused:
        return ""


def hear(connection: Connection, headers: Mapping[str, str], body: bytes, *, address: str) -> Sequence[str]:
    """The names of objects that a webhook says have changed. Raises Refused if it is not to be believed.

    address: the URL that was posted to, as the system knows it.
    """
    kind = connector_of(connection.connector)
    with faults_as_refused():
        small = {name.lower(): value for name, value in headers.items()}
        hints = kind.hear(small, body, _secrets(connection), address=address)
    return sorted({hint.object for hint in hints})


def _secrets(connection: Connection) -> dict[str, str]:
    return vault.unseal(connection.secrets, bound_to=connection.uid)


def _set_limits(connection: Connection, grace: timedelta, daily_calls: int | None) -> None:
    if not timedelta() <= grace <= LONGEST_GRACE:
        raise Refused("Writes wait from 0 seconds to 7 days.")
    if daily_calls is not None and daily_calls < 1:
        raise Refused("At least one request a day has to be allowed; pause the connection to allow none.")
    connection.grace, connection.daily_calls = grace, daily_calls
