"""manage.py export SOURCE FILE: as `crmquality export`, for nobody in particular, so with nothing masked."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.cli import exporting
from crmquality.cli.console import Console
from crmquality.services.errors import Refused


class Command(BaseCommand):
    """Writes a source's records to a file."""

    help = "Write the corrected records of a source to a file; the format is that of its name (.csv, .xlsx, .parquet)."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        exporting.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file. Raises CommandError with one clear line."""
        try:
            exporting.write(options, Console())
        except (Refused, OSError) as error:
            raise CommandError(str(error)) from error
