"""Write the corrected records of a source to a file; the format is that of its name (.csv, .xlsx, .parquet).

What is masked for whoever acts is masked in the file.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from crmquality.cli.console import Console, Exit
from crmquality.cli.session import session
from crmquality.selectors.sources import named
from crmquality.services import masking, measuring
from crmquality.services.access import UserRole
from crmquality.services.exporting import FORMATS, export_changes, export_file
from crmquality.services.exporting_additions import Additions


def add_arguments(parser: ArgumentParser) -> None:
    """Those of `manage.py export` too."""
    parser.add_argument("source", help="name of the source")
    parser.add_argument("file", type=Path)
    parser.add_argument("--format", choices=FORMATS, help="where the file's name does not say it")
    parser.add_argument("--changes", type=Path, metavar="FILE", help="also write the log of changes, as CSV")
    parser.add_argument("--all", action="store_true", help="also records that were merged or are gone")
    parser.add_argument(
        "--plain", action="store_true", help="no apostrophe before formulas in CSV: for loading, not for spreadsheets"
    )
    parser.add_argument("--scores", action="store_true", help="what is predicted of each record: four columns more")
    parser.add_argument(
        "--fill",
        action="store_true",
        help="for analysis only: blanks filled with mean or most frequent value, each named; no import takes the file",
    )


def execute(options: Namespace, console: Console) -> int:
    """Write, and say how much."""
    with session(console, options.user, UserRole.STEWARD):
        write(vars(options), console)
    return Exit.OK


def write(options: dict[str, Any], console: Console) -> None:
    """Write the files as the options say. Raises Refused for an unknown source or format, OSError for the files."""
    source, path = named(options["source"]), options["file"]
    kind = options["format"] or path.suffix.lstrip(".").lower()
    hide = masking.current().hidden(source)
    add = Additions(scores=options["scores"], fill=options["fill"])
    total = measuring.live_records(source)
    progress = console.progress
    count = export_file(
        source,
        path,
        kind=kind,
        include_inactive=options["all"],
        neutralise=not options["plain"],
        hide=hide,
        add=add,
        each=lambda done: progress.write(f"\r\x1b[K{done:,} of {total:,} records"),
    )
    progress.write("\r\x1b[K")
    if options["changes"]:
        with options["changes"].open("wb") as file:
            file.writelines(export_changes(source, hide=hide))
    console.give(
        {
            "source": source.name,
            "file": str(path),
            "format": kind,
            "records": count,
            "changes": str(options["changes"]) if options["changes"] else None,
            "masked": sorted(hide),
            "scores": add.scores,
            "fill": add.fill,
        }
    )
    console.say(f"{count:,} records of {source.name!r} written to {path}")
    if hide:
        console.say(f"Masked: {', '.join(sorted(hide))}")
