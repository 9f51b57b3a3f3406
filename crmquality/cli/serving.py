"""Start the embedded servers, workers, scheduler and page of this home, until Ctrl-C (as `manage.py serve`)."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.core.management import CommandError, call_command

from crmquality.cli.console import Console, Exit
from crmquality.cli.errors import NotRunning
from crmquality.management.commands import serve


def add_arguments(parser: ArgumentParser) -> None:
    """As the management command's."""
    serve.add_arguments(parser)


def execute(options: Namespace, console: Console) -> int:
    """Forward."""
    try:
        call_command("serve", port=options.port, workers=options.workers)
    except CommandError as error:
        raise NotRunning(str(error)) from error
    return Exit.OK
