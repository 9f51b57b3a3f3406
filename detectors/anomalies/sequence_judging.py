"""One source's process model: encoding, scaling, a member, and how its residuals become scores.

Beside the member stands `sequence_levels`, for shifts that every forecast follows; the rarer of the two counts.

The rows are cut in time order: the first 60 % teach the scaling and the member, the next 20 % the covariance
of its residuals and the distribution of its scores, and anomalies planted in the last 20 % decide between
members. Nothing is scaled or judged by rows that it was not fitted on.

A category's residual is its surprise, sqrt(-2 ln p), with p the expected share of the value that was seen:
as a chi-square term it stands beside a squared z. Tried before: one residual per value (average precision
on planted process anomalies .07 for the linear member and .08 for the network, against .11 and .13).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from detectors.anomalies.sequence_features import Encoding, Process
from detectors.anomalies.sequence_levels import Levels, Shifts
from detectors.anomalies.sequence_members import MEMBERS, Member, Padded, fit_member
from detectors.anomalies.sequence_scoring import Scaling, Tail, Whitening, average_precision, plain_error
from detectors.contract import ModelFileError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FORMAT = "crmquality sequence model 2"
FILE = "sequence.safetensors"
LEAST_SHARE = 0.002
"""The smallest expected share of a category value: a forecast of none at all is never that certain."""

MARGIN = 0.02
"""By how much average precision a member must beat the control, or a network the linear member."""

_TAUGHT, _CALIBRATED = 0.6, 0.8
_PLANTED = 0.03
_SCORES_KEPT = 5000
_LEAST_FIRST = 50


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model says of each row.

    distance: (n,) Mahalanobis distance. error: (n,) plain Euclidean norm of the same residuals.
    local: (n,) -log10 of the share of held-out rows as far. shares: (n, columns), rows sum to 1.
    expected: (n, features) in the encoding's units.
    level: (n,) -log10 of the share whose numbers had shifted as far; shifts: how far each number has.
    """

    distance: Floats
    error: Floats
    local: Floats
    shares: Floats
    expected: Floats
    level: Floats
    shifts: Shifts

    @property
    def rarity(self) -> Floats:
        """The rarer of the two, (n,): as two were looked at, a row as rare in one is half as rare (Bonferroni)."""
        return np.asarray(np.maximum(np.maximum(self.local, self.level) - np.log10(2), 0.0))

    @property
    def by_level(self) -> Flags:
        """Whether a shift rather than the row itself makes it rare, (n,)."""
        return np.asarray(self.level > self.local)


@dataclass(frozen=True, slots=True)
class SequenceModel:
    """A fitted process model.

    tail, first: distances of held-out rows, and of those that begin a customer: with nothing before them they
    are further from any forecast, and would fill the queue if held against the rest.
    quality: average precision on planted anomalies by member that was tried.
    """

    encoding: Encoding
    scaling: Scaling
    member: Member
    whitening: Whitening
    tail: Tail
    first: Tail
    levels: Levels
    quality: Mapping[str, float]

    def judge(self, rows: Floats, starts: Flags) -> Judgement:
        """Judge encoded rows (n, features) in process order; starts: (n,) first row of each customer."""
        residuals, expected = self._residuals(rows, starts)
        distance = self.whitening.distance(residuals)
        shifts = Shifts.of(rows[:, : len(self.encoding.numbers)], starts)
        return Judgement(
            distance=distance,
            error=plain_error(residuals),
            local=np.where(starts, self.first.rarity(distance), self.tail.rarity(distance)),
            shares=self.whitening.shares(residuals),
            expected=expected,
            level=self.levels.rarity(shifts),
            shifts=shifts,
        )

    def _residuals(self, rows: Floats, starts: Flags) -> tuple[Floats, Floats]:
        return column_residuals(self.encoding, self.scaling, self.member, rows, starts)

    def save(self, directory: Path) -> None:
        """Write one file, without pickle, into the directory."""
        member = {f"member.{name}": value for name, value in self.member.tensors().items()}
        arrays = {
            "scaling.mean": self.scaling.mean,
            "scaling.deviation": self.scaling.deviation,
            "whitening.center": self.whitening.center,
            "whitening.precision": self.whitening.precision,
            "tail": self.tail.ordered,
            "first": self.first.ordered,
            "levels.spread": self.levels.spread,
            "levels.tail": self.levels.tail.ordered,
        }
        notes = {
            "format": FORMAT,
            "member": self.member.name,
            "encoding": json.dumps(self.encoding.to_json()),
            "quality": json.dumps(dict(self.quality)),
        }
        tensors = {name: np.ascontiguousarray(value) for name, value in (arrays | member).items()}
        save_file(tensors, directory / FILE, metadata=notes)

    @classmethod
    def load(cls, directory: Path) -> SequenceModel:
        """Read what `save` wrote. Raises ModelFileError if it is damaged, foreign or of another format."""
        try:
            with safe_open(directory / FILE, framework="numpy") as file:
                notes = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if notes.get("format") != FORMAT:
                raise ModelFileError(f"{FILE} is of format {notes.get('format')!r}, this code reads {FORMAT!r}")
            return cls._assemble(notes, tensors)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelFileError(f"{FILE} is damaged or not a sequence model: {error}") from error

    @classmethod
    def _assemble(cls, notes: Mapping[str, str], tensors: Mapping[str, Any]) -> SequenceModel:
        encoding = Encoding.from_json(json.loads(notes["encoding"]))
        learned = {name.removeprefix("member."): value for name, value in tensors.items() if name.startswith("member.")}
        features = len(tensors["scaling.mean"])
        return cls(
            encoding=encoding,
            scaling=Scaling(tensors["scaling.mean"], tensors["scaling.deviation"]),
            member=MEMBERS[notes["member"]].restore(learned, features),
            whitening=Whitening(tensors["whitening.center"], tensors["whitening.precision"]),
            tail=Tail(tensors["tail"]),
            first=Tail(tensors["first"]),
            levels=Levels(tensors["levels.spread"], Tail(tensors["levels.tail"])),
            quality={str(name): float(value) for name, value in json.loads(notes["quality"]).items()},
        )


def column_residuals(
    encoding: Encoding, scaling: Scaling, member: Member, rows: Floats, starts: Flags
) -> tuple[Floats, Floats]:
    """Residuals by column, (n, columns), and what was expected, (n, features) in the encoding's units."""
    scaled = scaling.apply(rows)
    residuals = member.residuals(Padded.of(scaled, starts))
    expected = scaling.undo(scaled - residuals)
    parts = [residuals[:, : encoding.numeric]]
    for block in encoding.blocks():
        likely = np.clip((expected[:, block] * rows[:, block]).sum(axis=1), LEAST_SHARE, 1.0)
        parts.append(np.sqrt(-2.0 * np.log(likely))[:, None])
    return np.concatenate(parts, axis=1), expected


def fit_model(
    process: Process,
    members: tuple[str, ...],
    *,
    seed: int = 0,
    device: str = "auto",
    report: Callable[..., None] = lambda *_: None,
) -> SequenceModel | None:
    """The best of the members on this process; None where no column varies.

    members: names of MEMBERS from simple to elaborate, the control first. A later one is taken only where it
    beats the simpler choice by MARGIN on planted anomalies.
    """
    encoding = Encoding.of(process)
    rows, starts = encoding.encode(process), process.starts
    if not rows.shape[1]:
        return None
    best: SequenceModel | None = None
    quality: dict[str, float] = {}
    for place, name in enumerate(members):
        report(place, len(members), f"fitting {name}")
        model = fit_alone(encoding, rows, starts, name, seed=seed, device=device, report=report)
        quality[name] = planted_precision(model, rows, starts, seed=seed)
        if best is None or quality[name] > quality[best.member.name] + MARGIN:
            best = model
    if best is None:
        return None
    return replace(best, quality=quality)


def fit_alone(
    encoding: Encoding,
    rows: Floats,
    starts: Flags,
    name: str,
    *,
    seed: int = 0,
    device: str = "auto",
    report: Callable[..., None] = lambda *_: None,
) -> SequenceModel:
    """One member fitted on encoded rows in process order, with its scaling, covariance and distribution.

    rows: (n, features). starts: (n,) first row of each customer. name: of MEMBERS.
    """
    taught, calibrated = (int(len(rows) * share) for share in (_TAUGHT, _CALIBRATED))
    scaling = Scaling.of(rows[:taught])
    training, held_out = (
        Padded.of(scaling.apply(rows[part]), _opened(starts[part]))
        for part in (slice(0, taught), slice(taught, calibrated))
    )
    member = fit_member(name, training, held_out, seed=seed, device=device, report=report)
    residuals, _ = column_residuals(encoding, scaling, member, rows, starts)
    whitening = Whitening.of(residuals[taught:calibrated])
    distances, begins = whitening.distance(residuals[taught:calibrated]), starts[taught:calibrated]
    enough = begins.sum() >= _LEAST_FIRST
    tail, first = (Tail(_thinned(np.sort(distances[rows]))) for rows in (~begins, begins | (not enough)))
    held = slice(taught, calibrated)
    levels = Levels.of(rows[held, : len(encoding.numbers)], _opened(starts[held]))
    levels = replace(levels, tail=Tail(_thinned(levels.tail.ordered)))
    return SequenceModel(encoding, scaling, member, whitening, tail, first, levels, {})


def planted_precision(model: SequenceModel, rows: Floats, starts: Flags, *, seed: int) -> float:
    """Average precision on anomalies planted in the last fifth: rows from elsewhere, swapped rows, shifts."""
    part = slice(int(len(rows) * _CALIBRATED), len(rows))
    changed, planted = plant(rows[part], _opened(starts[part]), model, np.random.default_rng(seed))
    return average_precision(model.judge(changed, _opened(starts[part])).local, planted)


def plant(rows: Floats, starts: Flags, model: SequenceModel, rng: np.random.Generator) -> tuple[Floats, Flags]:
    """A copy with three kinds of anomaly in `_PLANTED` of its rows each, and which rows they are.

    A row replaced by one from elsewhere, two neighbours of one customer swapped: only the order is odd. A
    numeric column moved by three standard deviations: the row itself is odd.
    """
    changed, planted = rows.copy(), np.zeros(len(rows), dtype=np.bool_)
    count = max(1, int(len(rows) * _PLANTED))
    inner = np.flatnonzero(~starts[1:]) + 1
    if len(inner) < 3 * count:
        return changed, planted
    foreign, swapped, moved = np.split(rng.permutation(inner)[: 3 * count], 3)
    changed[foreign] = rows[rng.integers(len(rows), size=count)]
    for row in swapped:
        changed[[row - 1, row]] = changed[[row, row - 1]]
    columns = rng.integers(max(1, model.encoding.numeric), size=count)
    if model.encoding.numeric:
        changed[moved, columns] += rng.choice([-3.0, 3.0], size=count) * model.scaling.deviation[columns]
    planted[:] = (changed != rows).any(axis=1)
    return changed, planted


def _opened(starts: Flags) -> Flags:
    """The starts of a piece: its first row begins a customer too."""
    opened = starts.copy()
    opened[:1] = True
    return opened


def _thinned(ordered: Floats) -> Floats:
    """At most _SCORES_KEPT of the ordered scores, evenly, with both ends."""
    if len(ordered) <= _SCORES_KEPT:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, _SCORES_KEPT).astype(np.int64)]
