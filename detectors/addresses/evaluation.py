"""`manage.py evaluate addresses FILE`: how well address lines are split into their parts.

FILE has the columns text, street, place, region, postcode. A part is right if it is equal with case, spaces and
separating commas folded ("12 Main St,  Apt 4" = "12 MAIN ST APT 4"); nothing else is forgiven. A row is wholly right
if its four parts are.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from detectors.addresses.parsing import PARTS, AddressParser
from detectors.addresses.standardising import folded
from detectors.evaluation import DoesNotFit, read_table, require

_WARM_UP = ("1 Main St, Springfield, IL 62701", "12 Oak Brokendale Heights")
"""A line the table settles and one that asks the tagger: loads both before the clock starts."""


def add_arguments(parser: ArgumentParser) -> None:
    """The table of address lines with their parts."""
    parser.add_argument("file", help="CSV or Parquet with the columns text, street, place, region, postcode")


def evaluate(options: Namespace) -> dict[str, Any]:
    """Shares of rows read right: `whole`, and a part; `per_second` lines a CPU second, table and tagger loaded."""
    frame = read_table(options.file)
    require(frame, ("text", *PARTS), options.file)
    if frame.empty:
        raise DoesNotFit(f"{options.file}: has no rows to parse")
    frame = frame.where(frame.notna(), "")
    parser = AddressParser()
    for _ in parser.parse_many(_WARM_UP):
        pass
    started = time.process_time()
    parsed = list(parser.parse_many(frame["text"]))
    seconds = time.process_time() - started
    right = {
        part: [folded(getattr(one, part)) == folded(want) for one, want in zip(parsed, frame[part], strict=True)]
        for part in PARTS
    }
    whole = [all(row) for row in zip(*right.values(), strict=True)]
    return {
        "rows": len(frame),
        "whole": round(sum(whole) / len(frame), 5),
        "parts": {part: round(sum(marks) / len(frame), 5) for part, marks in right.items()},
        "per_second": round(len(frame) / max(seconds, 1e-9)),
    }
