"""manage.py import FILE --source NAME: as `crmquality import`, by nobody in particular."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.cli import importing
from crmquality.cli.console import Console
from crmquality.cli.errors import Failed
from crmquality.services.errors import Refused


class Command(BaseCommand):
    """Reads a file into a source, here and now, without a worker."""

    help = "Read a CSV, Excel or Parquet file into a source; rows that cannot be read are kept in quarantine."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        importing.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and say what came of it. Raises CommandError with one clear line."""
        try:
            importing.bring_in(options, Console())
        except (Refused, Failed) as error:
            raise CommandError(str(error)) from error
