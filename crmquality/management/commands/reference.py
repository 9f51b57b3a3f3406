"""`manage.py reference FILE --source NAME`: accuracy against verified values, kept as a metric of the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.selectors.sources import named
from crmquality.services.errors import Refused
from crmquality.services.measuring_reference import measure_against_reference
from detectors.evaluation import DoesNotFit, read_table


class Command(BaseCommand):
    """Compare, keep, and print the accuracy in all and by field."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """See the help of each."""
        parser.add_argument("file", type=Path, help="CSV or Parquet: the source's ID column and verified columns")
        parser.add_argument("--source", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and print."""
        try:
            kept = measure_against_reference(source=named(options["source"]), reference=read_table(options["file"]))
        except (DoesNotFit, Refused) as error:
            raise CommandError(str(error)) from error
        for metric in kept:
            share = "n/a" if metric.value is None else f"{100 * metric.value:.1f} %"
            what = metric.field or metric.name
            self.stdout.write(f"{what:<26} {share:>8}  of {metric.denominator:,.0f}")
