"""`manage.py serve`: the embedded servers, worker, scheduler and page of this home, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crmquality.embedded import EmbeddedError
from crmquality.supervisor import Supervisor


def add_arguments(parser: ArgumentParser) -> None:
    """Those of `crmquality serve` too."""
    parser.add_argument("--port", type=int, default=8000, help="of the page on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--workers", type=int, default=2, help="jobs done at once")


class Command(BaseCommand):
    """Serve."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """See the help of each."""
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, and keep alive."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with it ignored
        try:
            with Supervisor(settings.HOME, port=options["port"], workers=options["workers"]) as supervisor:
                self.stdout.write(f"Open {supervisor.address} (Ctrl-C ends everything)")
                self.stdout.flush()
                supervisor.watch()
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("Stopped; the data is kept.")
