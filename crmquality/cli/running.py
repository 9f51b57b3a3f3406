"""Look for what is wrong in a source, with one detector or all, and wait for the end.

The workers of `crmquality serve` do it; where none answers, it is done here. Ctrl-C cancels what is not over.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from crmquality.cli import jobs
from crmquality.cli.console import Console, Exit
from crmquality.cli.session import session
from crmquality.models import JobState, Run
from crmquality.selectors.sources import named
from crmquality.services import running
from crmquality.services.access import UserRole


def add_arguments(parser: ArgumentParser) -> None:
    """Which sources and detectors."""
    parser.add_argument("source", nargs="+", help="name of a source")
    parser.add_argument("--detector", action="append", default=[], help="one of them only; repeatable (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed and records give the same findings")
    parser.add_argument(
        "--changes", action="store_true", help="go on from the latest run, where a detector can and little changed"
    )
    parser.add_argument("--here", action="store_true", help="do it in this process, whether or not a worker answers")
    parser.add_argument("--no-wait", action="store_true", help="queue and end; a worker does it when there is one")


def execute(options: Namespace, console: Console) -> int:
    """Queue, follow, say how each ended; 1 if one did not succeed."""
    with session(console, options.user, UserRole.STEWARD) as user:
        sources = [named(name) for name in options.source]
        asked = {"user": user, "seed": options.seed, "only_changes": options.changes}
        runs: list[Run] = []
        for source in sources:
            if options.detector:
                runs += [running.request_run(source=source, detector=name, **asked) for name in options.detector]
            else:
                runs += running.request_all(source=source, **asked)
        if options.no_wait:
            for run in runs:
                _tell(run, console)
            return Exit.OK
        by_workers = not options.here and jobs.workers_answer()
        ended = jobs.carry_out(
            runs,
            lambda run: f"{run.detector} on {run.source.name}",
            work=None if by_workers else running.execute_run,
            each=lambda run: _tell(run, console),
            out=console.progress,
        )
        return Exit.OK if all(run.state == JobState.SUCCEEDED for run in ended) else Exit.FAILED


def as_row(run: Run) -> dict[str, Any]:
    """A run as JSON; see docs/cli.md."""
    return {
        "run": run.pk,
        "source": run.source.name,
        "detector": run.detector,
        "state": run.state,
        "error": run.error,
        "records": run.records_seen,
        "changed": run.changed,
        "found": run.found,
        "found_new": run.found_new,
        "withdrawn": run.withdrawn,
        "seconds": run.seconds,
    }


def _tell(run: Run, console: Console) -> None:
    console.give(as_row(run))
    name = f"{run.source.name}: {run.detector}"
    if run.state == JobState.SUCCEEDED:
        went_on = "" if run.changed is None else f"; went on from the latest run, {run.changed:,} records changed"
        counts = f"{run.found:>8,} found, {run.found_new:,} new, {run.withdrawn:,} withdrawn"
        console.say(f"{name:<36} {counts}{went_on}")
    else:
        console.say(f"{name:<36} {run.state} {run.error}".rstrip())
