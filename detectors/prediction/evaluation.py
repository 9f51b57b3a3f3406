"""`manage.py evaluate prediction FILE --target COLUMN`: how well can a column be predicted, honestly measured?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import pandas as pd

from detectors.evaluation import DoesNotFit, add_map_argument, parse_map, read_table, require
from detectors.mapping import guess_roles
from detectors.prediction.aims import Aim, CannotPredict, question_of
from detectors.prediction.assessing import assess
from detectors.roles import Role

CONFIDENT = 0.8
SEARCHED = 0.8
"""Share of the budget that the searches take; the rest is for the final fits and the report."""


def add_arguments(parser: ArgumentParser) -> None:
    """The table, the column to predict, the time."""
    parser.add_argument("file", help="CSV or Parquet")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument("--positive", action="append", default=[], metavar="VALUE", help="a value that is the outcome")
    parser.add_argument("--negative", action="append", default=[], metavar="VALUE", help="a value that is its absence")
    parser.add_argument("--incumbent", default="", metavar="COLUMN", help="the present score, the baseline to beat")
    parser.add_argument("--group", action="append", default=[], metavar="COLUMN", help="tell its groups apart")
    parser.add_argument("--leave-out", action="append", default=[], metavar="COLUMN", help="do not learn from it")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds for all searches together (default 240)")
    parser.add_argument("--seed", type=int, default=0)
    add_map_argument(parser)


def evaluate(options: Namespace) -> dict[str, Any]:
    """The report of `assessing.assess`: nested cross-validation of the whole search.

    Sensitive columns and those that seem to tell the answer are learned from here, the latter with a warning: this
    measures. A predictor for the product leaves them out unless an admin names them.

    Raises DoesNotFit if the file is no table, lacks a column, or the column cannot be predicted.
    """
    frame = read_table(options.file)
    named = [options.target, *options.group, *options.leave_out, *filter(None, [options.incumbent])]
    require(frame, named, options.file)
    roles = {name: guess.role for name, guess in guess_roles(frame).items() if guess.confidence >= CONFIDENT}
    roles |= parse_map(options.map, frame)
    aim = Aim(
        target=options.target,
        positive=tuple(options.positive),
        negative=tuple(options.negative),
        incumbent=options.incumbent,
        groups=tuple(options.group),
        left_out=tuple(options.leave_out),
        kept=tuple(map(str, frame.columns)),
    )
    return measure(frame, aim, roles, budget=options.budget, seed=options.seed)


def measure(frame: pd.DataFrame, aim: Aim, roles: dict[str, Role], *, budget: float, seed: int = 0) -> dict[str, Any]:
    """`evaluate` on a frame of text cells. Raises DoesNotFit."""
    try:
        question = question_of(frame, aim, roles, seed)
        return assess(question, seconds=SEARCHED * budget).report
    except CannotPredict as error:
        raise DoesNotFit(str(error)) from error
