"""manage.py splink export|run: duplicates beyond one machine, by Splink on DuckDB or Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.models import Source
from crmquality.services.errors import Refused
from crmquality.services.exchanging import export_splink
from detectors.duplicates.exchange.dialects import NAMES
from detectors.duplicates.exchange.running import CannotRun, run


class Command(BaseCommand):
    """Exports a source's duplicate model for Splink, and runs Splink on an export."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command a direction."""
        kinds = parser.add_subparsers(dest="kind", required=True, metavar="export|run")
        export = kinds.add_parser("export", help="write settings, prepared records and term frequencies to a folder")
        export.add_argument("source", help="name of the source")
        export.add_argument("directory", type=Path)
        running = kinds.add_parser("run", help="let Splink score the pairs of an export")
        running.add_argument("directory", type=Path, help="the folder of one kind of entity, as export names it")
        running.add_argument("pairs", type=Path, help="Parquet file to write the pairs to")
        running.add_argument("--engine", choices=NAMES, default="spark")
        running.add_argument("--at", type=float, metavar="BITS", help="least match weight of a pair that is kept")
        running.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="a Spark setting, such as spark.master"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it. Raises CommandError with one clear line."""
        (self._export if options["kind"] == "export" else self._run)(options)

    def _export(self, options: dict[str, Any]) -> None:
        source = Source.objects.filter(name=options["source"]).first()
        if source is None:
            known = ", ".join(Source.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no source {options['source']!r}: there are {known}.")
        try:
            written = export_splink(source, options["directory"])
        except (Refused, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        for one in written:
            self.stdout.write(
                f"{one.rows:,} records, compared by {', '.join(one.comparisons)}, written to {one.directory}"
            )

    def _run(self, options: dict[str, Any]) -> None:
        settings = dict(one.partition("=")[::2] for one in options["set"])
        try:
            pairs = run(options["directory"], options["engine"], threshold=options["at"], options=settings)
            pq.write_table(pairs, options["pairs"])
        except (CannotRun, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{pairs.num_rows:,} pairs written to {options['pairs']}")
