"""All methods on a table of the user's own, by one scoring: average precision on known anomalies, or on planted ones.

Known ones are what stewards confirmed and dismissed. They were shown because a detector ranked them high, so they
favour what was in force then; the planted ones favour nobody, but are what we think of as odd. Both are reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies import members
from detectors.anomalies.bakeoff import Ranking, Total, precision_at_each, rank
from detectors.anomalies.cells import dates, numbers
from detectors.anomalies.departures import surest
from detectors.anomalies.discovery import Answer, Discovery, unlabelled
from detectors.anomalies.features import MEASURED, Features, features
from detectors.anomalies.forest import grow
from detectors.anomalies.row_compared import COMPARED_ON_ROWS, RowMethod
from detectors.anomalies.sequence_features import Encoding, process_of
from detectors.anomalies.sequence_judging import fit_alone
from detectors.contract import Batch
from detectors.roles import Role, ValueType

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Report = Callable[..., None]

UNIT = "points of average precision"
PLANTED_SHARE = 0.01
LEAST_PLANTED = 10
FEWEST = 100
"""A table with fewer rows has no room for planted anomalies."""

ENOUGH_KNOWN = 10
"""So many confirmed and so many dismissed rows make a comparison on known ones."""

FOLDS = 5
NETWORKS = {
    "process mean, whitened (control)": "control",
    "process, linear": "linear",
    "process, DeepCNN": "cnn",
    "process, LSTM autoencoder": "lstm",
}
"""Name -> member of `sequence_members` that judges each row by those before it."""

LEARNED = "learned from your verdicts"


@dataclass(frozen=True, slots=True)
class RowsBakeOff:
    """planted, known: the rankings; None where there were too few verdicts. us_per_row: CPU a row by method.

    anomalies: planted in all; verdicts: (confirmed, dismissed).
    """

    planted: Ranking
    known: Ranking | None
    us_per_row: Mapping[str, float]
    anomalies: int
    verdicts: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Table:
    """A batch with its rows in the order of their ids, and what was made of it."""

    batch: Batch
    made: Features
    ids: npt.NDArray[np.int64]


def methods(*, networks: bool) -> list[str]:
    """The names of what takes part on any table; the networks only where its rows have a date."""
    return [*_MEMBERS, *COMPARED_ON_ROWS, *(NETWORKS if networks else ())]


def compare(
    batch: Batch,
    verdicts: Mapping[int, tuple[bool, float]],
    *,
    seeds: int = 3,
    networks: bool = True,
    device: str = "auto",
    report: Report = lambda *_: None,
) -> RowsBakeOff:
    """Run every method on copies with planted anomalies and, where there are enough verdicts, on the table itself.

    verdicts: record id -> (confirmed?, trust). seeds: copies. report: report(done, total, stage).

    Raises ValueError for a table of fewer than FEWEST rows, or without a column that says anything.
    """
    frame = batch.frame.sort_index()
    if len(frame) < FEWEST:
        raise ValueError(f"{len(frame)} rows are too few to compare methods on; {FEWEST} are needed")
    names = methods(networks=networks and process_of(Batch(frame, batch.roles, batch.kind)) is not None)
    steps = len(names) * (seeds + 1)
    contributions: dict[str, list[Floats]] = {name: [] for name in names}
    spent = dict.fromkeys(names, 0.0)
    for seed in range(seeds):
        copy, planted = plant(frame, batch.roles, seed=seed)
        table = _table(Batch(copy, batch.roles, batch.kind))
        for place, name in enumerate(names):
            alive = _kept(report, seed * len(names) + place, steps, f"{name}, copy {seed + 1} of {seeds}")
            started = time.process_time()
            scores = _scores(name, table, seed, device, alive)
            spent[name] += time.process_time() - started
            contributions[name].append(precision_at_each(scores, planted))
    totals = {name: _mean(np.concatenate(parts)) for name, parts in contributions.items()}
    count = sum(len(part) for part in contributions[names[0]])
    known, counted = _on_verdicts(_table(batch), verdicts, names, device, report, (seeds * len(names), steps))
    return RowsBakeOff(
        rank(totals, parts=count, unit=UNIT),
        known,
        {name: seconds / (seeds * len(frame)) * 1e6 for name, seconds in spent.items()},
        count,
        counted,
    )


def plant(frame: pd.DataFrame, roles: Mapping[str, Role], *, seed: int) -> tuple[pd.DataFrame, Flags]:
    """A copy with one value of one row in a hundred made odd, and which rows: (n,).

    A number slips by a factor of 10 to 1,000, a date by years, a category becomes one of another row where the two
    hardly ever go together. A row where nothing can be made odd stays as it is.
    """
    rng = np.random.default_rng(seed)
    copy, planted = frame.copy(), np.zeros(len(frame), dtype=np.bool_)
    spoilers = [(name, spoil) for name in frame.columns if (spoil := _spoiler(roles.get(name, Role.IGNORE)))]
    parsed = {name: _read(frame[name], roles[name]) for name, _ in spoilers}
    wanted = max(LEAST_PLANTED, round(PLANTED_SHARE * len(frame)))
    for row in rng.permutation(len(frame)):
        if planted.sum() == wanted or not spoilers:
            break
        name, spoil = spoilers[rng.integers(len(spoilers))]
        value = spoil(parsed[name], int(row), rng)
        if value is not None and value != frame[name].iloc[row]:
            copy.iloc[row, copy.columns.get_loc(name)] = value
            planted[row] = True
    return copy, planted


def _number(values: Floats, row: int, rng: np.random.Generator) -> str | None:
    if not np.isfinite(values[row]) or values[row] == 0:
        return None
    return f"{values[row] * 10.0 ** rng.choice([-3, -2, -1, 1, 2, 3]):.2f}"


def _date(values: Floats, row: int, rng: np.random.Generator) -> str | None:
    if not np.isfinite(values[row]):
        return None
    days = values[row] + rng.choice([-1, 1]) * rng.uniform(3, 30) * 365
    moment = np.datetime64(int(np.clip(days, -25_000, 40_000)), "D")
    return str(moment)


def _category(values: npt.NDArray[np.object_], row: int, rng: np.random.Generator) -> str | None:
    found = values[rng.integers(len(values))]
    return None if found is None else str(found)


def _spoiler(role: Role) -> Callable[[npt.NDArray[np.generic], int, np.random.Generator], str | None] | None:
    found = {ValueType.NUMBER: _number, ValueType.DATE: _date, ValueType.CATEGORY: _category}
    return None if role is Role.IGNORE else found.get(role.value_type)  # type: ignore[return-value]


def _read(cells: pd.Series, role: Role) -> npt.NDArray[np.generic]:
    if role.value_type is ValueType.NUMBER:
        return numbers(cells)
    return dates(cells) if role.value_type is ValueType.DATE else cells.to_numpy(dtype=object)


def _table(batch: Batch) -> _Table:
    frame = batch.frame.sort_index()
    made = features(frame, batch.roles)
    if not len(made):
        raise ValueError("no column of this table says anything that differs between rows")
    return _Table(Batch(frame, batch.roles, batch.kind), made, frame.index.to_numpy(np.int64))


def _kept(report: Report, done: int, total: int, stage: str) -> Report:
    """Report this step now and again from within it: that keeps a job alive and lets it be stopped."""
    report(done, total, stage)
    return lambda *_: report(done, total, stage)


def _scores(name: str, table: _Table, seed: int, device: str, alive: Report) -> Floats:
    if name in NETWORKS:
        return _by_process(table, NETWORKS[name], seed, device, alive)
    method = _MEMBERS.get(name) or COMPARED_ON_ROWS[name]
    return np.nan_to_num(np.asarray(method(table.made, seed), np.float64), posinf=1e300, neginf=-1e300)


def _by_process(table: _Table, network: str, seed: int, device: str, alive: Report) -> Floats:
    """Rarity of each row in the order of the process; rows without a date are usual."""
    process = process_of(table.batch)
    scores = np.zeros(len(table.ids))
    if process is None or len(process) < FEWEST:
        return scores
    encoding = Encoding.of(process)
    rows = encoding.encode(process)
    if not rows.shape[1]:
        return scores
    model = fit_alone(encoding, rows, process.starts, network, seed=seed, device=device, report=alive)
    scores[np.searchsorted(table.ids, process.ids)] = model.judge(rows, process.starts).rarity
    return scores


def _on_verdicts(
    table: _Table,
    verdicts: Mapping[int, tuple[bool, float]],
    names: Sequence[str],
    device: str,
    report: Report,
    progress: tuple[int, int],
) -> tuple[Ranking | None, tuple[int, int]]:
    """The ranking on what people confirmed and dismissed, and how many of each; None where these are too few."""
    places = {int(record): place for place, record in enumerate(table.ids)}
    judged = [(places[record], confirmed) for record, (confirmed, _) in verdicts.items() if record in places]
    truth = np.array([confirmed for _, confirmed in judged], dtype=np.bool_)
    counted = (int(truth.sum()), int((~truth).sum()))
    if min(counted) < ENOUGH_KNOWN:
        return None, counted
    rows = np.array([place for place, _ in judged])
    totals: dict[str, Total] = {}
    for number, name in enumerate(names):
        alive = _kept(report, progress[0] + number, progress[1], f"{name}, on verdicts")
        totals[name] = _mean(precision_at_each(_scores(name, table, 0, device, alive)[rows], truth))
    totals[LEARNED] = _mean(precision_at_each(_learned(table, rows, truth), truth))
    return rank(totals, parts=counted[0], unit=UNIT), counted


def _learned(table: _Table, rows: npt.NDArray[np.int64], truth: Flags) -> Floats:
    """The order learned from the verdicts, each judged by the verdicts of the other folds."""
    known = unlabelled(table.made, 0)
    fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    scores = np.zeros(len(rows))
    for number in range(FOLDS):
        answers = [Answer(int(rows[at]), bool(truth[at])) for at in np.flatnonzero(fold != number)]
        scores[fold == number] = members.ranks(Discovery(known, answers).scores())[rows[fold == number]]
    return scores


def _mean(contributions: Floats) -> Total:
    def total(weights: Floats) -> float:
        return 100 * float(weights @ contributions) / float(weights.sum())

    return total


def _measured(made: Features) -> Floats:
    """The columns whose size has a meaning; a column of zeros where there is none."""
    places = [place for place, feature in enumerate(made.columns) if feature.kind in MEASURED]
    return made.values[:, places] if places else np.zeros((len(made.values), 1))


def _isolation(made: Features, seed: int) -> Floats:
    values = np.ascontiguousarray(made.values, np.float32)
    forest = grow(values, seed)
    return np.asarray(forest.score(forest.leaves(values)), np.float64)


def _alone(made: Features) -> Floats:
    found = surest(made)
    return np.zeros(len(made.values)) if found is None else found


_MEMBERS: dict[str, RowMethod] = {
    "all members (default)": lambda made, seed: unlabelled(made, seed).outlyingness,
    "isolation forest": _isolation,
    "ECOD": lambda made, seed: members.ecod(made.values),
    "quantile HBOS": lambda made, seed: members.quantile_hbos(made.values),
    "robust z": lambda made, seed: members.farthest_z(_measured(made)),
    "IQR fences": lambda made, seed: members.beyond_fences(_measured(made)),
    "regression residual": lambda made, seed: np.asarray(members.regression_residual(_measured(made)).max(axis=1)),
    "one value alone": lambda made, seed: _alone(made),
}
"""The product's members by name."""
