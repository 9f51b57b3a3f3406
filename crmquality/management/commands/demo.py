"""`make demo`: the whole loop in one command, on a sample CRM or on a file of the user's."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality import sample
from crmquality.cli.progress import follow
from crmquality.demo import report
from crmquality.demo.people import ensure_people
from crmquality.embedded import EmbeddedError, folder
from crmquality.models import Import, JobState, Run, Source
from crmquality.services import importing, running
from crmquality.services.errors import Refused
from crmquality.supervisor import Supervisor

KINDS = ("contacts", "accounts", "opportunities", "quotations", "orders")


class Command(BaseCommand):
    """Start everything, import, run all detectors, say what was found, serve the page until Ctrl-C."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """See the help of each."""
        parser.add_argument("--data", type=Path, help="a CSV, Excel or Parquet file of yours instead of the sample")
        parser.add_argument("--contacts", type=int, default=5_000, help="size of the sample")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--exit", action="store_true", help="stop when the results are printed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the demo."""
        data: Path | None = options["data"]
        if data and not data.is_file():
            raise CommandError(f"No file {data}: give the path of a CSV, Excel or Parquet file.")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with it ignored
        try:
            self._say("Starting PostgreSQL, Redis, the worker and the web server ...")
            with Supervisor(settings.HOME, port=options["port"]) as supervisor:
                self._demo(supervisor, data, options)
        except (EmbeddedError, Refused) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._say("\nStopped; the data is kept.")

    def _demo(self, supervisor: Supervisor, data: Path | None, options: dict[str, Any]) -> None:
        people = ensure_people(settings.HOME)
        sources = self._import_file(supervisor, data) if data else self._import_sample(supervisor, options["contacts"])
        self._run(supervisor, sources)
        self._say("")
        for source in sources:
            self._lines(report.found_lines(source))
            truth = folder(settings.HOME, "sample") / "truth.csv"
            if source.system == "sample" and truth.exists():
                self._say("    against the truth file of the sample:")
                self._lines(report.truth_lines(report.truth_scores(source, truth)))
        self._say(f"\nOpen {supervisor.address}")
        for name, (role, password) in people.items():
            self._say(f"  {role:<8} {name:<6} password {password}")
        if options["exit"]:
            return
        self._say("Ctrl-C ends everything; the data is kept in " + str(settings.HOME))
        supervisor.watch()

    def _import_sample(self, supervisor: Supervisor, contacts: int) -> list[Source]:
        known = Source.objects.filter(system="sample")
        if known.exists():
            self._say("The sample CRM is here already.")
            return list(known)
        where = folder(settings.HOME, "sample")
        self._say(f"Writing a sample CRM of {contacts:,} contacts ...")
        summary = sample.generate(where, contacts=contacts, seed=7)
        jobs = [self._queue(summary.files[kind], kind, kind, "sample") for kind in KINDS if kind in summary.files]
        return self._follow_imports(supervisor, jobs)

    def _import_file(self, supervisor: Supervisor, data: Path) -> list[Source]:
        return self._follow_imports(supervisor, [self._queue(data, data.stem[:120], "", "")])

    def _queue(self, path: Path, name: str, kind: str, system: str) -> Import:
        source = importing.get_source(name=name, kind=kind, system=system, file=path)
        return importing.request_import(source=source, file=path)

    def _follow_imports(self, supervisor: Supervisor, jobs: list[Import]) -> list[Source]:
        self._say("Importing ...")
        ended = follow(jobs, lambda job: f"{job.source.name} ({job.rows_read:,} rows)", tend=supervisor.tend)
        for job in ended:
            if job.state != JobState.SUCCEEDED:
                raise Refused(f"{job.file_name} was not imported: {job.error}")
            if job.rows_quarantined:
                self._say(f"  {job.rows_quarantined:,} rows of {job.source.name} are in quarantine; see the page")
        return [Source.objects.get(pk=job.source_id) for job in jobs]

    def _run(self, supervisor: Supervisor, sources: list[Source]) -> None:
        fresh = [source for source in sources if not Run.objects.filter(source=source).exists()]
        jobs = [run for source in fresh for run in running.request_all(source=source)]
        jobs += list(Run.objects.active().filter(source__in=sources).exclude(pk__in=[job.pk for job in jobs]))
        if jobs:
            self._say(f"Running every detector over {len(sources)} source{'s' if len(sources) > 1 else ''} ...")
            ended = follow(jobs, lambda run: f"{run.detector} on {run.source.name}", tend=supervisor.tend)
            failed = sum(job.state == JobState.FAILED for job in ended)
            if failed:
                self._say(f"  {failed} runs failed; why is on the page and in {settings.HOME / 'logs' / 'worker.log'}")

    def _lines(self, lines: Any) -> None:
        for line in lines:
            self._say("  " + line)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
