"""A fitted predictor: reads records, predicts with a blend, explains itself, saves without pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectors.contract import Batch, ModelFileError, RecordId
from detectors.prediction.engine.calibration import Intervals
from detectors.prediction.engine.encoding import Floats, Ints, Kind
from detectors.prediction.engine.estimators import Task
from detectors.prediction.engine.features import Features
from detectors.prediction.engine.search import Answers, Found, Report, Scaling, fitted, predictions, search

CHUNK = 50_000
"""Records scored at a time."""

FORMAT = 2
STATE = "predictor.json"

TRUSTED = (
    "functools.partial",  # of a function that must itself be trusted: only check_array, below, is
    "numpy.dtype",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)
"""The types beyond skops' own list that a saved model may hold; a file with any other is refused."""


class ModelDoesNotFit(LookupError):
    """The records lack what the model reads; the message says what."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one field moves a prediction, against a typical value.

    field, value: the column and what the record holds there. typical: what most records hold.
    weight: in natural log odds of the outcome, or in the number's own unit.
    """

    field: str
    value: str
    typical: str
    weight: float

    def says(self, *, numeric: bool) -> str:
        """A sentence for a person."""
        usual = f"{self.field} is {self.value}, typically {self.typical}"
        if numeric:
            return f"{usual}: {self.weight:+.3g}."
        word = "raises" if self.weight > 0 else "lowers"
        return f"{usual}: {word} the odds {np.exp(abs(self.weight)):.2g} times."


@dataclass(frozen=True, slots=True)
class Score:
    """What is predicted of one record.

    value: the likeliest class, or the number as text. probability: of the outcome for two classes, of `value` for
    more; None for a number. low, high: for a number, the ends of the interval that holds the truth nine times in ten.
    """

    record: RecordId
    value: str
    probability: float | None
    low: float | None = None
    high: float | None = None
    reasons: tuple[Contribution, ...] = ()


class Predictor:
    """Predicts one column of a table from the others."""

    def __init__(
        self,
        target: str,
        features: Features,
        classes: Sequence[str],
        members: Sequence[tuple[float, Any]],
        scaling: Scaling,
        typical: Floats,
        metrics: Mapping[str, float],
        *,
        intervals: Intervals | None = None,
        least: float = -np.inf,
    ) -> None:
        """classes: in the order of the probabilities; empty for a number. members: (weight, fitted pipeline).

        typical: (n_features,) the median or most frequent reading of each feature, NaN if mostly missing.
        intervals, least: for a number, how far the truth lies from it, and below what it cannot lie.
        """
        self.target = target
        self.features = features
        self.classes = list(classes)
        self.members = list(members)
        self.scaling = scaling
        self.typical = typical
        self.metrics = dict(metrics)
        self.intervals = intervals or Intervals()
        self.least = least

    @property
    def numeric(self) -> bool:
        """Whether it predicts a number."""
        return not self.classes

    def output(self, frame: pd.DataFrame) -> Floats:
        """(n_rows, n_classes) calibrated probabilities in the order of `classes`; (n_rows, 1) for a number.

        frame: text cells; extra columns are passed over. Raises ModelDoesNotFit if a column lacks.
        """
        return self._output(self._read(frame))

    def predict(self, frame: pd.DataFrame) -> Answers:
        """(n_rows,) the likeliest class, or the number."""
        output = self.output(frame)
        return output[:, 0] if self.numeric else np.array(self.classes, dtype=object)[output.argmax(axis=1)]

    def scores(self, batch: Batch, *, reasons: int = 0) -> Iterator[Score]:
        """A score a record, in the batch's order. reasons: how many fields each names; 0 is many times faster.

        Raises ModelDoesNotFit if the batch lacks a column that the model reads.
        """
        for start in range(0, len(batch), CHUNK):
            frame = batch.frame.iloc[start : start + CHUNK]
            output = self.output(frame)
            radius = self.intervals(output[:, 0]) if self.numeric else np.zeros(len(frame))
            why = self.explain(frame, most=reasons) if reasons else [[]] * len(frame)
            for record, row, far, because in zip(frame.index, output, radius, why, strict=True):
                yield self._score(int(record), row, float(far), tuple(because))

    def _score(self, record: RecordId, row: Floats, radius: float, reasons: tuple[Contribution, ...]) -> Score:
        if self.numeric:
            number = float(row[0])
            return Score(record, f"{number:.6g}", None, max(self.least, number - radius), number + radius, reasons)
        place = int(row.argmax())
        probability = float(row[1] if len(row) == 2 else row[place])
        return Score(record, self.classes[place], probability, reasons=reasons)

    def explain(self, frame: pd.DataFrame, *, most: int = 5) -> list[list[Contribution]]:
        """For each row the fields that move its prediction most, strongest first.

        A field's weight is what changes when its value is replaced by the typical one: log odds of the last class (of
        the likeliest one, where there are more than two), or units of the number. Effects of fields that only work
        together are seen from each alone.
        """
        matrix = self._read(frame)
        whole = self._output(matrix)
        asked = whole.argmax(axis=1) if len(self.classes) > 2 else np.full(len(matrix), whole.shape[1] - 1)
        weights = np.empty(matrix.shape)
        for place in range(matrix.shape[1]):
            without = matrix.copy()
            without[:, place] = self.typical[place]
            weights[:, place] = self._level(whole, asked) - self._level(self._output(without), asked)
        return [self._strongest(matrix[row], weights[row], most) for row in range(len(matrix))]

    def save(self, directory: Path) -> None:
        """Write a JSON file and one skops file a member into the directory."""
        import skops.io  # seconds, most of them for torch: paid by who saves or reads a model, not by every start

        files = {}
        for place, (_, pipeline) in enumerate(self.members):
            name = f"member-{place}.skops"
            skops.io.dump(pipeline, directory / name)
            files[name] = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        state = {
            "format": FORMAT,
            "target": self.target,
            "features": self.features.to_json(),
            "classes": self.classes,
            "weights": [weight for weight, _ in self.members],
            "scaling": [self.scaling.slope, list(self.scaling.shift)],
            "typical": [None if np.isnan(value) else float(value) for value in self.typical],
            "metrics": self.metrics,
            "intervals": [list(self.intervals.edges), [_finite(radius) for radius in self.intervals.radii]],
            "least": _finite(self.least),
            "files": files,
        }
        (directory / STATE).write_text(json.dumps({"digest": _digest(state), "state": state}), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Predictor:
        """Read what `save` wrote. Raises ModelFileError if it is damaged, foreign or of another format."""
        try:
            saved = json.loads((directory / STATE).read_text(encoding="utf-8"))
            state = saved["state"]
            if saved["digest"] != _digest(state) or state["format"] != FORMAT:
                raise ModelFileError(f"{STATE}: damaged or of another format")
            pipelines = [_read(directory / name, digest) for name, digest in state["files"].items()]
            typical = np.array([np.nan if value is None else value for value in state["typical"]], dtype=float)
            slope, shift = state["scaling"]
            edges, radii = state["intervals"]
            intervals = Intervals(tuple(edges), tuple(np.inf if radius is None else radius for radius in radii))
            return cls(
                state["target"],
                Features.from_json(state["features"]),
                state["classes"],
                list(zip(state["weights"], pipelines, strict=True)),
                Scaling(slope, tuple(shift)),
                typical,
                state["metrics"],
                intervals=intervals,
                least=-np.inf if state["least"] is None else state["least"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"{STATE}: cannot be read: {type(error).__name__}") from error

    def _read(self, frame: pd.DataFrame) -> Floats:
        absent = [name for name in self.features.names if name not in frame.columns]
        if absent:
            names = ", ".join(map(repr, absent))
            raise ModelDoesNotFit(f"the model of {self.target!r} reads {names}, which is not there: train it anew")
        return self.features.read(frame)

    def _output(self, matrix: Floats) -> Floats:
        task = Task(self.numeric, matrix.shape[1], self.features.categories, 0, 1)
        mixed = sum(weight * predictions(pipeline, matrix, task) for weight, pipeline in self.members)
        scaled = self.scaling(np.asarray(mixed))
        return np.maximum(scaled, self.least) if self.numeric else scaled

    def _level(self, output: Floats, asked: Ints) -> Floats:
        """(n_rows,) the number, or the log odds of the class asked for."""
        asked_for = output[np.arange(len(output)), asked]
        if self.numeric:
            return asked_for
        share = np.clip(asked_for, 1e-6, 1 - 1e-6)
        return np.asarray(np.log(share / (1 - share)))

    def _strongest(self, readings: Floats, weights: Floats, most: int) -> list[Contribution]:
        order = np.argsort(-np.abs(weights), kind="stable")[:most]
        return [
            Contribution(
                self.features.features[place].name,
                self.features.features[place].shown(readings[place]),
                self.features.features[place].shown(self.typical[place]),
                float(weights[place]),
            )
            for place in order
            if weights[place]
        ]


def learn(
    features: Features,
    frame: pd.DataFrame,
    answers: Answers,
    classes: Sequence[str],
    target: str,
    *,
    seconds: float,
    seed: int = 0,
    report: Report = lambda *_, **__: None,
) -> tuple[Predictor, Found]:
    """Search for the best blend within the time, then fit it to all rows.

    answers: (n_rows,) class positions in `classes`, or numbers where `classes` is empty.
    """
    matrix = features.read(frame)
    task = Task(not classes, matrix.shape[1], features.categories, seed, threads())
    found = search(matrix, answers, task, seconds=seconds, report=report)
    members = [
        (weight, fitted(found.trials[place].family, found.trials[place].settings, matrix, answers, task))
        for place, weight in found.blend
    ]
    typical = np.array([_typical(matrix[:, place], feature.kind) for place, feature in enumerate(features.features)])
    least = 0.0 if not classes and float(np.min(answers)) >= 0 else -np.inf
    metrics = {"loss": found.blend_loss, "rows": float(len(answers)), "trials": float(len(found.trials))}
    return Predictor(target, features, classes, members, found.scaling, typical, metrics, least=least), found


def threads() -> int:
    """How many cores this process may use, OMP_NUM_THREADS respected."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    free = len(os.sched_getaffinity(0))
    return min(free, int(limit)) if limit.isdigit() and int(limit) > 0 else free


def _typical(readings: Floats, kind: Kind) -> float:
    known = readings[~np.isnan(readings)]
    if len(known) == 0:
        return float("nan")
    if kind is Kind.CATEGORY:
        values, counts = np.unique(known, return_counts=True)
        return float(values[counts.argmax()])
    return float(np.median(known))


def _read(path: Path, digest: str) -> Any:
    """A pipeline from a skops file whose bytes and types are as expected. Raises ModelFileError otherwise."""
    import skops.io  # see `save`

    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelFileError(f"{path.name}: its content does not match its digest")
    unknown = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED)
    if unknown:
        raise ModelFileError(f"{path.name}: holds types that are not trusted: {', '.join(sorted(unknown))}")
    return skops.io.loads(data, trusted=list(TRUSTED))


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _digest(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
