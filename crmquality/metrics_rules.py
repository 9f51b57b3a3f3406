"""How an admin's rules enter the quality metrics: those of one field into validity, others into consistency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import pandas as pd
import polars as pl

from crmquality.metrics import Masks
from detectors.contract import Batch
from detectors.rules.columns import Bools, Table
from detectors.rules.kinds import Fresh, InRange, Matches, OfType, OneOf, Required, Rule

OF_A_FIELD = (OfType, InRange, OneOf, Matches)


def with_rules(
    batch: Batch, seen: Masks, rules: Sequence[Rule], *, today: date, known: Mapping[str, pl.Series] | None = None
) -> Masks:
    """What was seen of a batch, with these rules beside those of the roles. `seen` is left as it is.

    Required: the cells it applies to have to be filled (completeness). Type, range, set and pattern: cells that fail
    are not valid (validity). Freshness: stands in place of our own age (timeliness). All others: consistency.

    known: see `detectors.rules.checking.check`.
    """
    if not rules:
        return seen
    table = Table(batch.frame, today, known)
    judged = [(rule, *rule.judge(table)) for rule in rules]
    required, invalid = seen.required.copy(), seen.invalid.copy()
    ruled = list(seen.ruled)
    applicable, broken = {}, {}
    dates: list[tuple[Bools, Bools]] = []
    for rule, applies, kept in judged:
        if isinstance(rule, Required):
            required[rule.field] |= applies
        elif isinstance(rule, OF_A_FIELD):
            invalid[rule.field] |= applies & ~kept & seen.filled[rule.field]
            ruled += [] if rule.field in ruled else [rule.field]
        elif isinstance(rule, Fresh):
            dates.append((applies, kept))
        else:
            applicable[rule.name], broken[rule.name] = applies, applies & ~kept
    index = batch.frame.index
    return replace(
        seen,
        required=required,
        invalid=invalid,
        ruled=tuple(name for name in batch.frame.columns if name in ruled),
        applicable=_beside(seen.applicable, pd.DataFrame(applicable, index=index, dtype=bool)),
        broken=_beside(seen.broken, pd.DataFrame(broken, index=index, dtype=bool)),
        fresh=_fresh(dates, index),
    )


def _beside(ours: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Both; a rule of an admin's that bears the name of one of ours stands in its place."""
    return pd.concat([ours.drop(columns=[name for name in more if name in ours]), more], axis=1)


def _fresh(dates: Sequence[tuple[Bools, Bools]], index: pd.Index) -> pd.Series | None:
    if not dates:
        return None
    known = pd.Series(False, index=index)
    kept = pd.Series(True, index=index)
    for applies, keeps in dates:
        known |= applies
        kept &= ~applies | keeps
    return kept.astype("boolean").where(known)
