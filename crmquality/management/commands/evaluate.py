"""`manage.py evaluate KIND FILE...`: proof on one's own labelled data. Needs no server and no database."""

from __future__ import annotations

import json
import resource
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand

from detectors import evaluation


class Command(BaseCommand):
    """Evaluate a detector on labelled data; exit status 2 and one line where a file does not fit."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command a kind; each kind's module adds its own arguments."""
        kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
        for kind in evaluation.ROOMS:
            sub = kinds.add_parser(kind, help=f"evaluate {kind}")
            sub.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
            if kind in sys.argv:  # only the kind that is asked for is imported
                evaluation.of_kind(kind).add_arguments(sub)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, and print the figures."""
        started = time.perf_counter()
        try:
            result = evaluation.of_kind(options["kind"]).evaluate(Namespace(**options))
        except evaluation.DoesNotFit as error:
            self.stderr.write(" ".join(str(error).split()))
            sys.exit(2)
        result["seconds"] = round(time.perf_counter() - started, 3)
        result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        if options["as_json"]:
            self.stdout.write(json.dumps(result, default=float, allow_nan=False))
            return
        for name, value in result.items():
            if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
                self.stdout.write(
                    f"{name:<22} {', '.join(f'{one:g}' if isinstance(one, float) else f'{one}' for one in value)}"
                )
            elif not isinstance(value, (dict, list)):
                self.stdout.write(f"{name:<22} {value:.4g}" if isinstance(value, float) else f"{name:<22} {value}")
            else:
                self.stdout.write(f"{name}: {json.dumps(value, default=float, indent=1)}")
