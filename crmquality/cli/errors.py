"""Every error of a command as one clear line on stderr and an exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import InterfaceError, OperationalError, ProgrammingError

from crmquality.cli.console import Console, Exit
from crmquality.embedded import EmbeddedError
from crmquality.services.errors import Refused


class NotRunning(Exception):
    """What the command needs does not answer; the message says what to start."""


class Failed(Exception):
    """The work was done and failed; the message says why."""


@dataclass
class Outcome:
    """The status of a command, known at its end."""

    status: int = Exit.FAILED


@contextmanager
def explained(console: Console) -> Iterator[Outcome]:
    """Within it, what a person can mend ends as a line and a status; what nobody foresaw still raises."""
    outcome = Outcome()
    try:
        yield outcome
    except Refused as error:
        _end(console, outcome, Exit.USAGE, str(error))
    except PermissionDenied as error:
        _end(console, outcome, Exit.NOT_ALLOWED, str(error) or "This is not allowed.")
    except Failed as error:
        _end(console, outcome, Exit.FAILED, str(error))
    except (NotRunning, EmbeddedError) as error:
        _end(console, outcome, Exit.UNREACHABLE, str(error))
    except (OperationalError, InterfaceError) as error:
        _end(console, outcome, Exit.UNREACHABLE, f"The database went away: {first_line(error)}. See crmquality doctor.")
    except ProgrammingError as error:
        _end(
            console,
            outcome,
            Exit.FAILED,
            f"The database does not fit this version: {first_line(error)}. "
            "Restart crmquality serve, or run manage.py migrate.",
        )
    except (ImproperlyConfigured, OSError) as error:
        _end(console, outcome, Exit.FAILED, str(error))
    except KeyboardInterrupt:
        _end(console, outcome, Exit.STOPPED, "Stopped.")


def first_line(error: BaseException) -> str:
    """What an error says first, without the statement it was about."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _end(console: Console, outcome: Outcome, status: Exit, text: str) -> None:
    outcome.status = status
    console.complain(text)
