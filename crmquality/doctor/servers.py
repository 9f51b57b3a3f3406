"""Settings, database, broker and the processes at work on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import redis
from django.conf import settings
from django.core import checks as django_checks
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError as BrokerError

from crmquality.cli.errors import first_line
from crmquality.cli.jobs import workers_answer
from crmquality.doctor.checking import Check, Finding, fail, ok, skipped, warn
from crmquality.embedded import uses_embedded
from crmquality.services import publishing, resident

OLDEST_SERVER = 14_00_00
SKEW, TOO_MUCH_SKEW = 2.0, 60.0
"""Seconds between this clock and the database's: above the first it is said, above the second logins suffer."""

SWEPT_WITHIN = 60.0
PATIENCE = 3.0
"""Seconds in which a worker must answer, busy as it may be."""

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
ASKED_ALWAYS = {"security.W009", "security.W018", "security.W020"}
ASKED_ABROAD = ASKED_ALWAYS | {"security.W012", "security.W016"}
"""Django's deployment checks that bear on us: on this machine alone, and where other hosts are served."""


def checks() -> Iterator[Check]:
    """All of them, in order."""
    yield Check("settings", framework)
    yield Check("debug", debug)
    yield Check("hosts", hosts)
    yield Check("database", database)
    yield Check("migrations", migrations, needs=("database",))
    yield Check("clock", clock, needs=("database",))
    yield Check("broker", broker)
    yield Check("broker persistence", persistence, needs=("broker",))
    yield Check("workers", workers, needs=("broker",))
    yield Check("scheduler", scheduler, needs=("broker", "workers"))
    yield Check("resident index", resident_index, needs=("database",))


def framework() -> Finding:
    """Django's system checks and ours (`crmquality.checks`)."""
    wanted = ASKED_ALWAYS if _is_local() else ASKED_ABROAD
    found = [
        one
        for one in django_checks.run_checks(include_deployment_checks=True)
        if not (one.id or "").startswith("security.") or one.id in wanted
    ]
    found = [one for one in found if one.level >= django_checks.WARNING and not one.is_silenced()]
    if not found:
        return ok("Django's checks find nothing")
    worst = max(found, key=lambda one: one.level)
    says = "; ".join(f"{one.msg} ({one.id})".replace("\n", " ") for one in found)
    mend = worst.hint or "manage.py check --deploy"
    return fail(says, mend) if worst.level >= django_checks.ERROR else warn(says, mend)


def debug() -> Finding:
    """Debug pages show records."""
    if settings.DEBUG:
        return fail("CRMQUALITY_DEBUG is on: an error page shows records to whoever sees it.", "unset CRMQUALITY_DEBUG")
    return ok("off")


def hosts() -> Finding:
    """Which names are served, and whether the logins of others travel encrypted."""
    served = ", ".join(settings.ALLOWED_HOSTS)
    if not _is_local() and not settings.SESSION_COOKIE_SECURE:
        return warn(
            f"{served} are served, and sign-ins are not bound to HTTPS.", "Set CRMQUALITY_HTTPS=1 behind a TLS proxy."
        )
    return ok(served)


def database() -> Finding:
    """Whether it answers, and is new enough."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        if uses_embedded()[0]:
            return fail(f"The embedded PostgreSQL does not run: {first_line(error)}.", "crmquality serve")
        return fail(
            f"The database of DATABASE_URL does not answer: {first_line(error)}.", "Mend DATABASE_URL, or start it."
        )
    version = connection.connection.info.server_version
    if version < OLDEST_SERVER:
        return fail(
            f"PostgreSQL {version // 10_000} is too old: 14 or newer is needed.", "Upgrade the database server."
        )
    return ok(f"PostgreSQL {version // 10_000}, {'embedded' if uses_embedded()[0] else 'by DATABASE_URL'}")


def migrations() -> Finding:
    """Whether the tables are those of this version."""
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        names = ", ".join(f"{one.app_label}.{one.name}" for one, _ in waiting[:3])
        return fail(f"{len(waiting)} migrations are not applied: {names} ...", "manage.py migrate")
    return ok("all applied")


def clock() -> Finding:
    """How far this machine's clock is from the database's; leases go by the database's, logins by ours."""
    before = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    after = datetime.now(UTC)
    apart = (theirs - (before + (after - before) / 2)).total_seconds()
    said = f"{abs(apart):.1f} s {'behind' if apart > 0 else 'ahead of'} the database"
    mend = "timedatectl set-ntp true   (on both machines)"
    if abs(apart) > TOO_MUCH_SKEW:
        return fail(f"This clock is {said}.", mend)
    return warn(f"This clock is {said}.", mend) if abs(apart) > SKEW else ok("as the database's")


def broker() -> Finding:
    """Whether Redis answers."""
    try:
        with publishing.broker() as client:
            version = client.info("server")["redis_version"]
    except (redis.RedisError, BrokerError, OSError) as error:
        if uses_embedded()[1]:
            return fail("The embedded Redis does not run: jobs are queued and not done.", "crmquality serve")
        return fail(f"The Redis of REDIS_URL does not answer: {first_line(error)}.", "Mend REDIS_URL, or start it.")
    return ok(f"Redis {version}, {'embedded' if uses_embedded()[1] else 'by REDIS_URL'}")


def persistence() -> Finding:
    """Whether what is queued outlives a restart of Redis (jobs do in any case: their rows are the truth)."""
    try:
        with publishing.broker() as client:
            kept: dict[str, Any] = {}
            for name in ("appendonly", "save", "maxmemory-policy"):  # one by one: Redis before 7 takes no more
                kept |= client.config_get(name)
    except redis.ResponseError:
        return skipped("This Redis does not say: CONFIG is forbidden.")
    policy = kept.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        return fail(
            f"Redis throws queued work away when its memory is full ({policy}).",
            "redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    if kept.get("appendonly") != "yes" and not kept.get("save"):
        return warn(
            "Redis keeps nothing on disk: after a restart, jobs wait for the sweeper.",
            "redis-cli CONFIG SET appendonly yes",
        )
    return ok("appendonly" if kept.get("appendonly") == "yes" else "snapshots")


def workers() -> Finding:
    """Whether anybody does the jobs."""
    names = workers_answer(within=PATIENCE)
    if not names:
        return fail("No worker answers: imports, runs and exports wait.", "crmquality serve")
    return ok(f"{len(names)} answer{'s' if len(names) == 1 else ''}")


def scheduler() -> Finding:
    """Whether the sweeper was lately sent for: by beat, and done by a worker."""
    ago = publishing.swept_ago()
    if ago is None or ago > SWEPT_WITHIN:
        when = "never" if ago is None else f"{ago:,.0f} s ago"
        return fail(
            f"The sweeper last ran {when}: beat does not run, so nothing is scheduled or picked up again.",
            "crmquality serve",
        )
    return ok(f"swept {ago:.0f} s ago")


def resident_index() -> Finding:
    """Whether records like one that is being entered are found."""
    try:
        found = resident.status()
    except resident.NotReady as error:
        return warn(
            f"Nobody is told of likely duplicates at entry: {error}", "crmquality serve   (or manage.py resident)"
        )
    states: dict[str, int] = {}
    for row in found["sources"]:
        states[row["state"]] = states.get(row["state"], 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no source"
    if found["behind"] is None:
        return warn(f"It is still being read: {said}.", "Wait, then ask again.")
    return ok(f"{said}, {found['behind']:.0f} s behind")


def _is_local() -> bool:
    return set(settings.ALLOWED_HOSTS) <= LOOPBACK and not os.environ.get("CRMQUALITY_ADDRESS")
