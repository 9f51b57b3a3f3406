"""manage.py splink export|run|import: duplicates beyond one machine, by Splink on DuckDB or Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.selectors.sources import named
from crmquality.services.errors import Refused
from crmquality.services.exchanging import export_splink, import_splink
from detectors.duplicates.exchange.dialects import NAMES
from detectors.duplicates.exchange.running import CannotRun, run


class Command(BaseCommand):
    """Exports a source's duplicate model for Splink, runs Splink on it, and takes models from Splink settings."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command a direction."""
        kinds = parser.add_subparsers(dest="kind", required=True, metavar="export|run|import")
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

        importing = kinds.add_parser("import", help="a candidate model version from a Splink settings file")
        importing.add_argument("source", help="name of the source")
        importing.add_argument("file", type=Path, help="settings as Splink saves them, trained")
        importing.add_argument("--skip", action="store_true", help="leave out comparisons that have no equivalent here")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it. Raises CommandError with one clear line."""
        {"export": self._export, "run": self._run, "import": self._import}[options["kind"]](options)

    def _export(self, options: dict[str, Any]) -> None:
        try:
            source = named(options["source"])
            written = export_splink(source, options["directory"])
        except (Refused, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        for one in written:
            self.stdout.write(
                f"{one.rows:,} records, compared by {', '.join(one.comparisons)}, written to {one.directory}"
            )

    def _import(self, options: dict[str, Any]) -> None:
        try:
            version, read = import_splink(named(options["source"]), options["file"], skip=options["skip"])
        except (Refused, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        for one in read.left_out:
            self.stdout.write(f"left out: {one}")
        pairs = ", ".join(f"{theirs} as {ours}" for theirs, ours in read.used.items())
        self.stdout.write(f"Version {version.number} is a candidate ({pairs}); an admin activates it under Models.")

    def _run(self, options: dict[str, Any]) -> None:
        settings = dict(one.partition("=")[::2] for one in options["set"])
        try:
            pairs = run(options["directory"], options["engine"], threshold=options["at"], options=settings)
            pq.write_table(pairs, options["pairs"])
        except (CannotRun, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{pairs.num_rows:,} pairs written to {options['pairs']}")
