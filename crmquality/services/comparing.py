"""Bake-offs: every method on the user's own series or rows, by one scoring, as a job.

Series: copies with planted anomalies, and the series itself where people confirmed enough of its alarms; NAB's
score. Rows: copies of the source's records with planted anomalies, and the records people judged; average precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db import transaction

from crmquality.models import Alarm, BakeOff, JobState, Series, Source
from crmquality.services import alarms, judging, learning
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.publishing import publish
from detectors.anomalies.bakeoff import Ranking
from detectors.anomalies.series_nab import Labelled

TASK = "crmquality.tasks.execute_bake_off"
MOST_SERIES = 20
MOST_SEEDS = 10
CONFIRMED = 3
"""So many confirmed alarms label a series."""

LONGEST = 10_000
"""The latest readings of a series that are compared on."""


def request_bake_off(
    *,
    series: Sequence[Series] = (),
    source: Source | None = None,
    seeds: int = 3,
    networks: bool = True,
    user: Any = None,
) -> BakeOff:
    """Queue a bake-off on series or, with a source, on its rows. seeds: copies with planted anomalies of each.

    Raises Refused for nothing to compare on, both at once, or series that are too short.
    """
    if (source is None) == (not series):
        raise Refused("Choose some series, or a source for its rows.")
    if not 1 <= seeds <= MOST_SEEDS:
        raise Refused(f"Between 1 and {MOST_SEEDS} copies.")
    if len(series) > MOST_SERIES:
        raise Refused(f"At most {MOST_SERIES} series at once.")
    if source is not None and not source.column_roles:
        raise Refused(f"Source {source.name!r} has no mapped columns: import a file or confirm its columns first.")
    with transaction.atomic():
        job = BakeOff.objects.create(
            about=BakeOff.About.ROWS if source else BakeOff.About.SERIES,
            source=source,
            subjects=[one.pk for one in series],
            seeds=seeds,
            networks=networks,
            requested_by=user,
        )
        publish(TASK, job.pk, detector="sequences" if networks else "")
    return job


def execute_bake_off(job_id: int) -> None:
    """Do a queued bake-off, unless another worker has it. Never raises: how it ended stands in the row."""
    do_job(BakeOff, job_id, _compare)


def _compare(job: BakeOff, report: Report) -> None:
    try:
        result = _on_rows(job, report) if job.source else _on_series(job, report)
    except ValueError as error:  # too few rows, or columns that say nothing: trying again would end the same way
        raise Refused(str(error)[:1].upper() + str(error)[1:] + ".") from error
    with transaction.atomic():
        if not BakeOff.objects.finish(job, JobState.SUCCEEDED):
            raise Lost
        BakeOff.objects.filter(pk=job.pk).update(result=result)


def _on_series(job: BakeOff, report: Report) -> dict[str, Any]:
    from detectors.anomalies import series_bakeoff  # scikit-learn and torch: only a worker that compares needs them

    found = list(Series.objects.filter(pk__in=job.subjects))
    report(0, 1, "reading the series")
    planted = [copy for one in found for copy in _planted(one, job.seeds)]
    if not planted:
        raise Refused("None of these series has 200 readings: the methods need some to learn from.")
    answered = [one for series in found if (one := _answered(series)) is not None]
    chosen = series_bakeoff.methods(networks=job.networks)
    done = series_bakeoff.compare(planted, chosen, report=report)
    result: dict[str, Any] = {
        "parts": [
            _part(done.ranking, f"{_copies(len(planted))} of {_names(found)} with planted anomalies", done.details())
        ]
    }
    if answered:
        known = series_bakeoff.compare(answered, chosen, report=report)
        words = f"{_names(found, answered)} with the alarms people confirmed"
        result["parts"].append(_part(known.ranking, words, known.details()))
        result["note"] = "Confirmed alarms were raised by the rule in force, which favours its method."
    return result | {"unit": series_bakeoff.UNIT}


def _on_rows(job: BakeOff, report: Report) -> dict[str, Any]:
    from detectors.anomalies import row_bakeoff

    assert job.source is not None
    report(0, 1, "reading records")
    labels = learning.labels_of(job.source, "anomalies")
    verdicts = {one.finding.subjects[0]: (one.is_defect, float(one.weight)) for one in labels if one.weight > 0}
    batch = source_batch(job.source)
    done = row_bakeoff.compare(batch, verdicts, seeds=job.seeds, networks=job.networks, report=report)
    details = {name: {"us_per_row": spent} for name, spent in done.us_per_row.items()}
    words = f"{len(batch):,} records, {done.anomalies} anomalies planted in {_copies(job.seeds)}"
    result: dict[str, Any] = {"parts": [_part(done.planted, words, details)]}
    confirmed, dismissed = done.verdicts
    if done.known is not None:
        words = f"{confirmed} records people confirmed and {dismissed} they dismissed"
        result["parts"].append(_part(done.known, words, details))
        result["note"] = "What people judged was shown by the detector in force, which favours its members."
    else:
        result["note"] = (
            f"People confirmed {confirmed} and dismissed {dismissed} records: with {row_bakeoff.ENOUGH_KNOWN} of each "
            "the methods are compared on those too."
        )
    return result | {"unit": row_bakeoff.UNIT}


def _part(ranking: Ranking, words: str, details: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One comparison as it is stored. about: on what; standings: the best first."""
    standings = [
        {
            "name": one.name,
            "score": round(one.score, 2),
            "low": round(one.low, 2),
            "high": round(one.high, 2),
            "behind": round(one.behind, 2),
            "behind_low": round(one.behind_low, 2),
            "behind_high": round(one.behind_high, 2),
            "clearly": one.is_clearly_behind,
            **{
                key: round(value, 2) if isinstance(value, float) else value
                for key, value in details.get(one.name, {}).items()
            },
        }
        for one in ranking.standings
    ]
    return {"about": words, "verdict": ranking.verdict, "standings": standings}


def _planted(series: Series, seeds: int) -> list[Labelled]:
    """Copies of a series with planted anomalies; none of one that is too short."""
    from detectors.anomalies.series_planting import LEAST, planted

    history = judging.history_of(series, most=LONGEST)
    if len(history.ids) < LEAST:
        return []
    values = np.where(history.expected_oddity, np.nan, history.values)
    return [planted(series.name, history.times, values, seed=seed) for seed in range(seeds)]


def _answered(series: Series) -> Labelled | None:
    """The series with the alarms people confirmed as labelled windows; None where there are too few."""
    history = judging.history_of(series, most=LONGEST)
    confirmed = Alarm.objects.filter(series=series, state__in=alarms.TRUE, is_withdrawn=False).order_by("at")
    windows = []
    for one in confirmed:
        inside = np.flatnonzero((history.times >= one.at.timestamp()) & (history.times <= one.last_at.timestamp()))
        if len(inside):
            windows.append((int(inside[0]), int(inside[-1])))
    if len(windows) < CONFIRMED:
        return None
    from detectors.anomalies.series_novelty import fill_forward

    return Labelled(series.name, history.times, fill_forward(history.values), tuple(windows))


def _copies(many: int) -> str:
    return f"{many} cop{'y' if many == 1 else 'ies'}"


def _names(series: Sequence[Series], only: Sequence[Labelled] | None = None) -> str:
    names = [one.name for one in only] if only is not None else [one.name for one in series]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
