"""Read a CSV, Excel, Parquet or JSON-lines file into a source; rows that cannot be read are kept in quarantine.

Importing again updates records by their external id and never doubles them.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crmquality.cli import jobs
from crmquality.cli.console import Console, Exit
from crmquality.cli.errors import Failed
from crmquality.cli.session import session
from crmquality.models import Import, JobState, Kind, Run
from crmquality.services import masking
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from crmquality.services.importing import execute_import, get_source, request_import
from crmquality.services.importing_quarantine import quarantined

SHOWN = 10
"""Rows in quarantine that are named."""


def add_arguments(parser: ArgumentParser) -> None:
    """Those of `manage.py import` too."""
    parser.add_argument("file", type=Path)
    parser.add_argument("--source", required=True, help="name of the source; made if there is none")
    parser.add_argument("--kind", default="", choices=["", *Kind.values], help="guessed from the columns if left out")
    parser.add_argument("--system", default="", help="sources of one system refer to each other by external id")
    parser.add_argument(
        "--map", action="append", default=[], metavar="ROLE=COLUMN", help="say what a column means; repeatable"
    )
    parser.add_argument("--encoding", help="as Python names it; detected if left out")
    parser.add_argument("--delimiter", help="one character, or tab; detected if left out")
    parser.add_argument("--sheet", help="of an Excel workbook; the first if left out")
    parser.add_argument("--no-header", action="store_true", help="the first row holds data, not names")
    parser.add_argument("--dry-run", action="store_true", help="check and count; write no record")
    parser.add_argument("--no-gate", action="store_true", help="let in rows that break a blocking rule")
    parser.add_argument("--complete", action="store_true", help="the file holds every record: others are gone")
    parser.add_argument("--run", action="store_true", help="queue all detectors afterwards")


def execute(options: Namespace, console: Console) -> int:
    """Import, and say what came of it."""
    with session(console, options.user, UserRole.STEWARD) as user:
        bring_in(vars(options), console, user)
    return Exit.OK


def bring_in(options: dict[str, Any], console: Console, user: Any = None) -> Import:
    """Import as the options say. Raises Refused for what cannot be read, Failed if the import ends badly."""
    file: Path = options["file"]
    source = get_source(name=options["source"], kind=options["kind"], system=options["system"], file=file, user=user)
    job = request_import(
        source=source,
        file=file,
        user=user,
        options=_given(options),
        roles=_roles(options["map"]),
        dry_run=options["dry_run"],
        gated=not options["no_gate"],
        complete=options["complete"],
        run_after_import=options["run"],
    )
    for line in _format(job):
        console.say(line)
    jobs.carry_out([job], lambda one: one.file_name, work=execute_import, out=console.progress)
    job.refresh_from_db()
    console.give(as_row(job))
    if job.state != JobState.SUCCEEDED:
        raise Failed(job.error or f"The import was {job.state}.")
    for line in _outcome(job):
        console.say(line)
    return job


def as_row(job: Import) -> dict[str, Any]:
    """An import as JSON; see docs/cli.md."""
    counts = {name: getattr(job, name) for name in ("rows_read", "rows_new", "rows_changed", "rows_same")}
    return {
        "import": job.pk,
        "source": job.source.name,
        "file": job.file_name,
        "state": job.state,
        "error": job.error,
        "dry_run": job.dry_run,
        **counts,
        "rows_quarantined": job.rows_quarantined,
        "roles": job.options.get("roles", {}),
        "gone": job.options.get("gone") or 0,
        "quarantined": [{"line": line, "reason": reason} for line, reason in _quarantined(job)],
        "runs": _runs(job),
    }


def _runs(job: Import) -> list[int]:
    if not job.run_after_import:
        return []
    queued = Run.objects.filter(source=job.source, cause=Run.Cause.IMPORT, created_at__gte=job.created_at)
    return list(queued.order_by("id").values_list("id", flat=True))


def _format(job: Import) -> Iterator[str]:
    read_as = (
        f"{name.replace('_', ' ')} {job.options[name]!r}"
        for name in ("format", "encoding", "delimiter", "quote", "sheet")
        if job.options.get(name)
    )
    yield "Read as " + ", ".join(read_as)
    for name, was in job.options["renamed"].items():
        yield f"Column renamed: {was or '(empty)'} -> {name}"
    for column, role in job.options["roles"].items():
        guess = job.source.role_guesses.get(column, {})
        why = f"  ({guess['why']})" if guess.get("role") == role else ""
        yield f"  {column}: {role}{why}"


def _outcome(job: Import) -> Iterator[str]:
    dry = "Dry run, nothing was written: " if job.dry_run else ""
    yield (
        f"{dry}{job.rows_read:,} rows read: {job.rows_new:,} new, {job.rows_changed:,} changed, "
        f"{job.rows_same:,} the same, {job.rows_quarantined:,} in quarantine."
    )
    if job.options.get("corrections_kept"):
        yield f"{job.options['corrections_kept']:,} corrected cells stay: the source had not changed."
    if job.options.get("gone"):
        yield f"{job.options['gone']:,} records are gone from the source."
    if job.options.get("note"):
        yield job.options["note"]
    for line, reason in _quarantined(job):
        yield f"  line {line}: {reason}"
    if job.run_after_import:
        yield "All detectors are queued: crmquality run shows and does them."


def _quarantined(job: Import) -> list[tuple[int | None, str]]:
    """The first rows in quarantine, masked for whoever looks: a reason may quote a cell."""
    mask = masking.current()
    return [(row.line, mask.row(job.source, row.reason)) for row in quarantined(job.source).filter(job=job)[:SHOWN]]


def _given(options: dict[str, Any]) -> dict[str, Any]:
    given = {name: options[name] for name in ("encoding", "delimiter", "sheet") if options[name]}
    return given | ({"header": False} if options["no_header"] else {})


def _roles(pairs: list[str]) -> dict[str, str]:
    """Column -> role, from ROLE=COLUMN."""
    roles: dict[str, str] = {}
    for pair in pairs:
        role, sign, column = pair.partition("=")
        if not sign:
            raise Refused(f"--map {pair!r} should be ROLE=COLUMN, such as email=E-Mail.")
        roles[column] = role
    return roles
