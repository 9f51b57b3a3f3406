"""`manage.py resident`: hold the records in memory and say which are like one. `manage.py serve` starts it."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.services import resident
from crmquality.services.resident_serving import AlreadyRuns, serve


class Command(BaseCommand):
    """Serve the resident index, or say how it is."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """See the help of each."""
        parser.add_argument("--status", action="store_true", help="say what the running one holds, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM."""
        if options["status"]:
            self._status()
            return
        until = threading.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: until.set())
        try:
            serve(resident.socket_path(), until=until)
        except AlreadyRuns as error:
            raise CommandError("An index of these records runs already.") from error

    def _status(self) -> None:
        try:
            found = resident.status()
        except resident.NotReady as error:
            raise CommandError(str(error)) from error
        behind = found["behind"]
        self.stdout.write("Not looked yet" if behind is None else f"Looked for changes {behind:.1f} s ago")
        for row in found["sources"]:
            kinds = ", ".join(row["entities"]) or row["why"]
            self.stdout.write(f"source {row['source']}: {row['state']}, {row['records']:,} records ({kinds})")
