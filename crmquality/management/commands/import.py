"""manage.py import FILE --source NAME: read a CSV, Excel or Parquet file into a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.models import Import, Kind
from crmquality.models.jobs import JobState
from crmquality.services.errors import Refused
from crmquality.services.importing import execute_import, get_source, request_import
from crmquality.services.importing_quarantine import quarantined


class Command(BaseCommand):
    """Reads a file into a source, here and now, without a worker."""

    help = "Read a CSV, Excel or Parquet file into a source; rows that cannot be read are kept in quarantine."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", required=True, help="name of the source; made if there is none")
        parser.add_argument(
            "--kind", default="", choices=["", *Kind.values], help="guessed from the columns if left out"
        )
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

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and say what came of it. Raises CommandError with one clear line."""
        try:
            source = get_source(
                name=options["source"], kind=options["kind"], system=options["system"], file=options["file"]
            )
            job = request_import(
                source=source,
                file=options["file"],
                options=_given(options),
                roles=_roles(options["map"]),
                dry_run=options["dry_run"],
                gated=not options["no_gate"],
                complete=options["complete"],
                run_after_import=options["run"],
            )
        except Refused as error:
            raise CommandError(str(error)) from error
        self._show_format(job)
        execute_import(job.pk)
        job.refresh_from_db()
        if job.state != JobState.SUCCEEDED:
            raise CommandError(job.error or f"The import was {job.state}.")
        self._show_outcome(job)

    def _show_format(self, job: Import) -> None:
        read_as = (
            f"{name.replace('_', ' ')} {job.options[name]!r}"
            for name in ("format", "encoding", "delimiter", "quote", "sheet")
            if job.options.get(name)
        )
        self.stdout.write("Read as " + ", ".join(read_as))
        for name, was in job.options["renamed"].items():
            self.stdout.write(f"Column renamed: {was or '(empty)'} -> {name}")
        for column, role in job.options["roles"].items():
            guess = job.source.role_guesses.get(column, {})
            why = f"  ({guess['why']})" if guess.get("role") == role else ""
            self.stdout.write(f"  {column}: {role}{why}")

    def _show_outcome(self, job: Import) -> None:
        dry = "Dry run, nothing was written: " if job.dry_run else ""
        self.stdout.write(
            f"{dry}{job.rows_read:,} rows read: {job.rows_new:,} new, {job.rows_changed:,} changed, "
            f"{job.rows_same:,} the same, {job.rows_quarantined:,} in quarantine."
        )
        if job.options.get("corrections_kept"):
            self.stdout.write(f"{job.options['corrections_kept']:,} corrected cells stay: the source had not changed.")
        if job.options.get("gone"):
            self.stdout.write(f"{job.options['gone']:,} records are gone from the source.")
        if job.options.get("note"):
            self.stdout.write(job.options["note"])
        for row in quarantined(job.source).filter(job=job)[:10]:
            self.stdout.write(f"  line {row.line}: {row.reason}")


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
