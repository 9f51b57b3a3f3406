"""What is wrong with this installation, and the command that mends it. It starts nothing and changes nothing.

Status 1 if a check failed (with --strict also if one warned). Checks that need something that failed are skipped.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib import import_module

from crmquality import embedded
from crmquality.cli.console import Console, Exit
from crmquality.doctor import installation
from crmquality.doctor.checking import Check, Finding, Result, State, fail, ok, run

SUBJECTS = ("crmquality.doctor.servers", "crmquality.doctor.work")
"""What needs Django, imported once it is set up."""


def add_arguments(parser: ArgumentParser) -> None:
    """How strict."""
    parser.add_argument("--dev", action="store_true", help="also what only the tests need")
    parser.add_argument("--strict", action="store_true", help="status 1 for a warning too")


def execute(options: Namespace, console: Console) -> int:
    """Look, and say what was seen."""
    results: list[Result] = []
    for result in _results(options.dev):
        results.append(result)
        console.say(f"{result.state:<8}{result.name:<20}{result.says}")
        if result.mend:
            console.say(f"{'':<28}-> {result.mend}")
    failed = [one.name for one in results if one.state == State.FAIL]
    warned = [one.name for one in results if one.state == State.WARN]
    bad = bool(failed or (options.strict and warned))
    console.give(
        {
            "ok": not bad,
            "home": str(embedded.home()),
            "failed": failed,
            "warned": warned,
            "checks": [{"name": one.name, "state": one.state, "says": one.says, "mend": one.mend} for one in results],
        }
    )
    console.say(f"{len(failed)} failed, {len(warned)} warned, of {len(results)} checks.")
    return Exit.FAILED if bad else Exit.OK


def _results(dev: bool) -> Iterator[Result]:
    failed = []
    for result in run([*installation.checks(embedded.home(), dev=dev), Check("django", _django, ("home folder",))]):
        failed += [result.name] if result.state in (State.FAIL, State.SKIPPED) else []
        yield result
    if "django" in failed:
        return
    checks: list[Check] = [check for name in SUBJECTS for check in import_module(name).checks()]
    yield from run(checks, failed)


def _django() -> Finding:
    """Whether the settings can be read."""
    import django

    try:
        django.setup()
    except embedded.EmbeddedError as error:
        return fail(str(error), "Mend the variable that it names.")
    return ok(f"Django {django.get_version()}")
