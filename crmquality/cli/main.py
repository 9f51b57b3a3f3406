"""`crmquality SUBJECT ...`: the installation from a terminal, through the services that the pages use."""

from __future__ import annotations

import difflib
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Any

from crmquality.cli.console import Console, Exit

SUBJECTS = {
    "import": ("crmquality.cli.importing", "read a file into a source"),
    "run": ("crmquality.cli.running", "look for what is wrong, with one detector or all"),
    "review": ("review.cli.desk", "decide the queue, one card at a time, in the terminal"),
    "export": ("crmquality.cli.exporting", "write the corrected records, and the log of changes, to files"),
    "metrics": ("review.cli.metrics", "how good the data is"),
    "models": ("crmquality.cli.models", "list model versions, let one serve, roll back"),
    "threshold": ("review.cli.thresholds", "show the bounds, ask what others would do, set them"),
    "doctor": ("crmquality.cli.doctor", "what is wrong with this installation, and how to mend it"),
    "serve": ("crmquality.cli.serving", "servers, workers and page of this home, until Ctrl-C"),
}
"""Word -> the module of the subject, which is imported only when it is asked for, and what it is for."""

USAGE = """\
usage: crmquality SUBJECT [OPTIONS]

{subjects}

`crmquality SUBJECT --help` says more. Every subject knows --json (results on stdout for programs; progress and
errors go to stderr), and all but doctor and serve know --as USER (whose role and masking apply).

Data, secrets and servers are those of CRMQUALITY_HOME (default ~/.crmquality). What runs there is used; where nothing
runs, the embedded database is started for the time of the command.

exit status: 0 done, 1 found something wrong or failed, 2 usage or bad input, 3 not running or not reachable,
4 not allowed, 130 stopped by Ctrl-C. docs/cli.md has the keys of every JSON answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status and never raises what a person can mend."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(_usage())
        return Exit.OK if given else Exit.USAGE
    if given[0] == "--version":
        print(f"crmquality {metadata.version('crmquality')}")
        return Exit.OK
    word, *rest = given
    if word not in SUBJECTS:
        near = difflib.get_close_matches(word, SUBJECTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(SUBJECTS)}."
        print(f"crmquality: there is no subject {word!r}: {hint}", file=sys.stderr)
        return Exit.USAGE
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmquality.settings")
    return run_subject(word, rest)


def run_subject(word: str, arguments: Sequence[str]) -> int:
    """One subject, its errors as one line and a status."""
    from crmquality.cli.errors import explained  # here, for the subjects' names are told without what they need

    shared = _shared(acts=word not in ("doctor", "serve"))
    given, rest = shared.parse_known_args(arguments)  # before and after a subject's own words alike
    console = Console(as_json=given.as_json)
    with explained(console) as outcome:
        subject: Any = _subject(word)
        parser = ArgumentParser(
            prog=f"crmquality {word}",
            description=subject.__doc__,
            formatter_class=RawDescriptionHelpFormatter,
            parents=[shared],
            allow_abbrev=False,
        )
        subject.add_arguments(parser)
        outcome.status = subject.execute(parser.parse_args(rest, given), console)
    return int(outcome.status)


def _shared(*, acts: bool) -> ArgumentParser:
    """The options of every subject."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", dest="as_json", help="results as JSON on stdout, for programs")
    if acts:
        parser.add_argument(
            "--as", dest="user", metavar="USER", help="who acts (default: an admin of this console, LOGIN@console)"
        )
    return parser


def _subject(word: str) -> Any:
    """The module of a subject, with Django ready for it; the doctor is asked where Django may not be."""
    if word != "doctor":
        import django

        django.setup()
    return import_module(SUBJECTS[word][0])


def _usage() -> str:
    width = max(map(len, SUBJECTS)) + 2
    return USAGE.format(subjects="\n".join(f"  {word:<{width}}{what}" for word, (_, what) in SUBJECTS.items()))
