"""manage.py export SOURCE FILE: the corrected records as CSV, Excel or Parquet, and the log of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.models import Source
from crmquality.services.errors import Refused
from crmquality.services.exporting import FORMATS, export_changes, export_file


class Command(BaseCommand):
    """Writes a source's records to a file."""

    help = "Write the corrected records of a source to a file; the format is that of its name (.csv, .xlsx, .parquet)."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("source", help="name of the source")
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=FORMATS, help="where the file's name does not say it")
        parser.add_argument("--changes", type=Path, metavar="FILE", help="also write the log of changes, as CSV")
        parser.add_argument("--all", action="store_true", help="also records that were merged or are gone")
        parser.add_argument(
            "--plain",
            action="store_true",
            help="no apostrophe before formulas in CSV: for loading, not for spreadsheets",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file. Raises CommandError with one clear line."""
        path: Path = options["file"]
        source = Source.objects.filter(name=options["source"]).first()
        if source is None:
            known = ", ".join(Source.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no source {options['source']!r}: there are {known}.")
        try:
            count = export_file(
                source,
                path,
                kind=options["format"] or path.suffix.lstrip(".").lower(),
                include_inactive=options["all"],
                neutralise=not options["plain"],
            )
            if options["changes"]:
                with options["changes"].open("wb") as file:
                    file.writelines(export_changes(source))
        except (Refused, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count:,} records of {source.name!r} written to {path}")
