"""The quality score of any group of records, and its interval, from what each record adds to each metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from crmquality import metrics
from crmquality.metrics import WEIGHTS, Z95, Masks, Measure
from detectors.contract import Batch, RecordId
from detectors.missing_values import is_missing

Floats = npt.NDArray[np.float64]
MOST_SEGMENTS = 12
OTHERS, BLANK = "(others)", "(blank)"


@dataclass(frozen=True)
class Parts:
    """What each record adds to a metric: numerator and denominator, both of shape (n_records,)."""

    numerator: Floats
    denominator: Floats


def parts(batch: Batch, seen: Masks, *, surplus: Iterable[RecordId], now: datetime) -> dict[str, Parts]:
    """Metric -> its parts, for every metric in the score, in the order of the batch's rows.

    surplus: the records of duplicate clusters but one each.
    """
    required = seen.required.to_numpy()
    ruled = list(seen.ruled)
    filled, invalid = seen.filled[ruled].to_numpy(), seen.invalid[ruled].to_numpy()
    applicable = seen.applicable.to_numpy().sum(axis=1)
    extra = batch.frame.index.isin(list(surplus))
    fresh = metrics.freshness(batch, seen, now=now)
    known = np.zeros(len(batch)) if fresh is None else fresh.notna().to_numpy()
    is_fresh = np.zeros(len(batch)) if fresh is None else fresh.fillna(False).to_numpy(dtype=bool)
    rows = {
        "completeness": ((seen.filled.to_numpy() & required).sum(axis=1), required.sum(axis=1)),
        "validity": ((filled & ~invalid).sum(axis=1), filled.sum(axis=1)),
        "consistency": (applicable - seen.broken.to_numpy().sum(axis=1), applicable),
        "uniqueness": (~extra, np.ones(len(batch))),
        "timeliness": (is_fresh, known),
    }
    return {
        name: Parts(np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64))
        for name, (numerator, denominator) in rows.items()
    }


def scores(found: Mapping[str, Parts], groups: npt.NDArray[np.intp], names: Iterable[str]) -> list[Measure]:
    """The metrics and the quality score of each group of records, the score with its 95 % interval.

    groups: (n_records,) the number of each record's group. names: of the groups, in the order of their numbers; they
    become the measures' segments.

    The records are seen as drawn from all that the same work would produce; a record's cells belong together. So the
    score, a weighted mean of ratios, is linearised by record (Woodruff, "A simple method for approximating the
    variance of a complicated estimate", 1971; Cochran, "Sampling Techniques", 1977, ch. 6).
    """
    names = list(names)
    count = len(names)
    size = np.bincount(groups, minlength=count).astype(np.float64)
    weighed, total = np.zeros(count), np.zeros(count)
    shares: dict[str, tuple[Floats, Floats, Floats]] = {}
    for name, one in found.items():
        numerator = _sums(groups, one.numerator, count)
        denominator = _sums(groups, one.denominator, count)
        share: Floats = np.divide(numerator, denominator, out=np.zeros(count), where=denominator > 0)
        applies = denominator > 0
        total += WEIGHTS[name] * applies
        weighed += WEIGHTS[name] * share * applies
        shares[name] = numerator, denominator, share
    spread = np.zeros(len(groups))
    for name, one in found.items():
        _, denominator, share = shares[name]
        scale = np.divide(WEIGHTS[name], total * denominator, out=np.zeros(count), where=total * denominator > 0)
        spread += scale[groups] * (one.numerator - share[groups] * one.denominator)
    correction = np.divide(size, size - 1, out=np.zeros(count), where=size > 1)
    half = Z95 * np.sqrt(correction * _sums(groups, spread**2, count))
    score = np.divide(weighed, total, out=np.zeros(count), where=total > 0)
    measures = []
    for at, segment in enumerate(names):
        if not total[at]:
            continue
        low, high = max(0.0, float(score[at] - half[at])), min(1.0, float(score[at] + half[at]))
        several = size[at] > 1
        measures.append(
            Measure(
                "quality score",
                float(score[at] * size[at]),
                float(size[at]),
                low=low if several else None,
                high=high if several else None,
                segment=segment,
            )
        )
        measures += [
            Measure(name, float(numerator[at]), float(denominator[at]), segment=segment)
            for name, (numerator, denominator, _) in shares.items()
        ]
    return measures


def _sums(groups: npt.NDArray[np.intp], values: Floats, count: int) -> Floats:
    return np.bincount(groups, values, count).astype(np.float64)


def segments(values: pd.Series) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Each record's segment by the value of a column: the most frequent ones by name, all others together.

    values: text cells; blanks are a segment of their own. Returns the number of each record's segment, and the names.
    """
    blank = is_missing(values).to_numpy()
    texts = values.astype("string").str.strip().fillna("").to_numpy(dtype=object)
    texts = np.where(blank, BLANK, texts)
    frequent = [str(name) for name in pd.Series(texts).value_counts().index]
    kept = frequent if len(frequent) <= MOST_SEGMENTS else [*frequent[: MOST_SEGMENTS - 1], OTHERS]
    place = {name: number for number, name in enumerate(kept)}
    rest = place.get(OTHERS, 0)
    return np.array([place.get(str(text), rest) for text in texts], dtype=np.intp), kept
