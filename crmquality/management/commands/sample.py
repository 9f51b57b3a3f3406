"""manage.py sample: write a sample CRM with every defect known. Needs no database and no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.sample import FORMATS, KINDS, MODELS, SampleSummary, generate


class Command(BaseCommand):
    """Writes the files and prints what is in them."""

    help = "Write a seeded sample CRM and the truth about every defect planted in it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """See the help of each."""
        parser.add_argument("--contacts", type=int, default=5_000, help="records of contacts; the rest follows")
        parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same files")
        parser.add_argument("--out", type=Path, default=Path("sample"), help="folder to write to; made if missing")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="what to write")
        parser.add_argument("--corruption", choices=MODELS, default="field", help="which defects; holdout to test on")
        parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Generate, then say what was written."""
        progress = options["contacts"] > 100_000 and not options["json"]
        try:
            summary = generate(
                options["out"],
                contacts=options["contacts"],
                seed=options["seed"],
                format=options["format"],
                corruption=options["corruption"],
                kinds=options["kinds"],
                report=self._report if progress else None,
            )
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self._print_json(summary) if options["json"] else self._print(summary)

    def _report(self, done: int, total: int) -> None:
        self.stderr.write(f"\r{done:,} of {total:,} contacts", ending="" if done < total else "\n")

    def _print(self, summary: SampleSummary) -> None:
        for kind, path in summary.files.items():
            copies = summary.duplicates.get(kind, 0)
            self.stdout.write(f"{summary.rows[kind]:>12,}  {path}" + (f"  ({copies:,} duplicates)" if copies else ""))
        self.stdout.write(f"{sum(summary.defects.values()):>12,}  defects and variants: {summary.truth}")
        self.stdout.write(f"{'':>12}  who is who: {summary.entities}")

    def _print_json(self, summary: SampleSummary) -> None:
        plain = {
            "files": {kind: str(path) for kind, path in summary.files.items()},
            "rows": dict(summary.rows),
            "truth": str(summary.truth),
            "entities": str(summary.entities),
            "defects": dict(summary.defects),
            "duplicates": dict(summary.duplicates),
        }
        self.stdout.write(json.dumps(plain))
