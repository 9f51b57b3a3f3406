"""A fitted predictor: reads records, predicts with a blend, explains itself, saves without pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io

from detectors.contract import ModelFileError
from detectors.prediction.engine.encoding import Floats, Kind
from detectors.prediction.engine.estimators import Task
from detectors.prediction.engine.features import Features
from detectors.prediction.engine.search import Answers, Found, Report, Scaling, fitted, predictions, search

FORMAT = 1
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


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one field moves a prediction, against a typical value: in log odds, or the number's own unit."""

    field: str
    value: str
    weight: float


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
    ) -> None:
        """classes: in the order of the probabilities; empty for a number. members: (weight, fitted pipeline).

        typical: (n_features,) the median or most frequent reading of each feature, NaN if mostly missing.
        """
        self.target = target
        self.features = features
        self.classes = list(classes)
        self.members = list(members)
        self.scaling = scaling
        self.typical = typical
        self.metrics = dict(metrics)

    @property
    def numeric(self) -> bool:
        """Whether it predicts a number."""
        return not self.classes

    def predict_proba(self, frame: pd.DataFrame) -> Floats:
        """(n_rows, n_classes) calibrated probabilities in the order of `classes`.

        frame: text cells; extra columns are passed over. Raises ValueError for a number, KeyError if a column lacks.
        """
        if self.numeric:
            raise ValueError(f"{self.target} is a number: use predict")
        return self._output(self.features.read(frame))

    def predict(self, frame: pd.DataFrame) -> Answers:
        """(n_rows,) the likeliest class, or the number."""
        output = self._output(self.features.read(frame))
        return output[:, 0] if self.numeric else np.array(self.classes, dtype=object)[output.argmax(axis=1)]

    def explain(self, frame: pd.DataFrame, *, most: int = 5) -> list[list[Contribution]]:
        """For each row the fields that move its prediction most, strongest first.

        A field's weight is what changes when its value is replaced by the typical one: log odds of the last
        class, or units of the number. Effects of fields that only work together are seen from each alone.
        """
        matrix = self.features.read(frame)
        whole = self._level(self._output(matrix))
        weights = np.empty(matrix.shape)
        for place in range(matrix.shape[1]):
            without = matrix.copy()
            without[:, place] = self.typical[place]
            weights[:, place] = whole - self._level(self._output(without))
        return [self._strongest(matrix[row], weights[row], most) for row in range(len(matrix))]

    def save(self, directory: Path) -> None:
        """Write a JSON file and one skops file a member into the directory."""
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
            return cls(
                state["target"],
                Features.from_json(state["features"]),
                state["classes"],
                list(zip(state["weights"], pipelines, strict=True)),
                Scaling(slope, tuple(shift)),
                typical,
                state["metrics"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"{STATE}: cannot be read: {type(error).__name__}") from error

    def _output(self, matrix: Floats) -> Floats:
        task = Task(self.numeric, matrix.shape[1], self.features.categories, 0, 1)
        mixed = sum(weight * predictions(pipeline, matrix, task) for weight, pipeline in self.members)
        return self.scaling(np.asarray(mixed))

    def _level(self, output: Floats) -> Floats:
        if self.numeric:
            return output[:, 0]
        share = np.clip(output[:, -1], 1e-6, 1 - 1e-6)
        return np.asarray(np.log(share / (1 - share)))

    def _strongest(self, readings: Floats, weights: Floats, most: int) -> list[Contribution]:
        order = np.argsort(-np.abs(weights), kind="stable")[:most]
        return [
            Contribution(
                self.features.features[place].name,
                self.features.features[place].shown(readings[place]),
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
    metrics = {"loss": found.blend_loss, "rows": float(len(answers)), "trials": float(len(found.trials))}
    return Predictor(target, features, classes, members, found.scaling, typical, metrics), found


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
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ModelFileError(f"{path.name}: its content does not match its digest")
    unknown = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED)
    if unknown:
        raise ModelFileError(f"{path.name}: holds types that are not trusted: {', '.join(sorted(unknown))}")
    return skops.io.loads(data, trusted=list(TRUSTED))


def _digest(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
