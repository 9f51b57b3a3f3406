"""Automated model search: races settings of several families under a time budget and blends what wins."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from detectors.prediction.engine.encoding import Floats, Ints
from detectors.prediction.engine.estimators import Family, Task, families

FOLDS = 4
ROWS = 20_000
"""Most rows that settings are compared on; the chosen ones are then fitted to all."""

PATIENCE = 10
"""Trials in a row that may fail to improve the blend before the search stops."""

WORTH = 2e-4
"""Relative improvement of the blend's loss that counts."""

BEHIND = 1.06
"""A trial is given up once its loss on the folds so far is this many times the best one's there."""

MEMBERS = 8
Answers = npt.NDArray[Any]
Report = Callable[..., None]


@dataclass(frozen=True)
class Trial:
    """One setting of one family, cross-validated.

    loss: mean log loss (classes) or mean squared error (numbers) over the held-out folds. error: its standard
        error over folds. finished: False if it was given up; then loss is of the folds it ran.
    held_out: (n_rows, n_outputs) predictions for rows the model did not see; NaN where it was given up.
    """

    family: Family
    settings: dict[str, Any]
    loss: float
    error: float
    seconds: float
    finished: bool
    held_out: Floats


@dataclass(frozen=True)
class Scaling:
    """Calibration of class probabilities: softmax(slope x log p + shift).

    Source: Platt scaling for two classes, vector scaling of Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017, with one common slope. Isotonic regression was tried: a worse log loss on blends.
    """

    slope: float = 1.0
    shift: tuple[float, ...] = ()

    def __call__(self, probabilities: Floats) -> Floats:
        """(n, n_classes) calibrated; the same where nothing was learned."""
        if not self.shift:
            return probabilities
        logits = self.slope * np.log(np.clip(probabilities, 1e-7, 1)) + np.array(self.shift)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    @classmethod
    def fit(cls, probabilities: Floats, truth: Ints) -> Scaling:
        """By the log loss of held-out probabilities, drawn to "as they are" by a weak penalty."""
        classes = probabilities.shape[1]

        def cost(values: Floats) -> float:
            scaled = cls(values[0], tuple(values[1:]))(probabilities)
            pull = ((values[0] - 1) ** 2 + np.sum(values[1:] ** 2)) / len(truth)
            return float(-np.mean(np.log(np.clip(scaled[np.arange(len(truth)), truth], 1e-12, 1))) + pull)

        best = minimize(cost, np.array([1.0] + [0.0] * classes), method="L-BFGS-B").x
        return cls(float(best[0]), tuple(float(value) for value in best[1:]))


@dataclass(frozen=True)
class Found:
    """What a search found: all trials, best first, and how many parts of the blend each has (trial place, weight)."""

    trials: list[Trial]
    blend: list[tuple[int, float]]
    scaling: Scaling
    blend_loss: float
    stopped: str = field(default="")


def search(
    features: Floats, answers: Answers, task: Task, *, seconds: float, report: Report = lambda *_, **__: None
) -> Found:
    """Compare families and settings by cross-validation until time is up or nothing improves; blend the best.

    features: (n_rows, n_features), NaN = missing. answers: (n_rows,) class positions, or numbers.
    seconds: wall-clock budget; every family's cheapest setting is tried at least once unless time runs out, and
        at least one always is.

    Source of the blend: Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004.
    """
    clock = time.monotonic()
    rng = np.random.default_rng(task.seed)
    rows = np.sort(rng.permutation(len(answers))[:ROWS])
    features, answers = features[rows], answers[rows]
    folds = _folds(answers, task)
    trials: list[Trial] = []
    best, since, stopped = np.inf, 0, "nothing left to try"
    for family, settings in _proposals(trials, rng):
        spent = time.monotonic() - clock
        if trials and spent + _cost(trials, family) > seconds:
            stopped = "time budget used"
            break
        report(min(spent, seconds), seconds, f"trying {family.name}")
        trials.append(_cross_validate(family, settings, features, answers, folds, task, _rival(trials)))
        loss = _blend(trials, answers, task)[1]
        since = 0 if loss < best * (1 - WORTH) else since + 1
        best = min(best, loss)
        if since >= PATIENCE and len(trials) > 2 * len(families()):
            stopped = f"no improvement in {PATIENCE} trials"
            break
    trials.sort(key=lambda trial: (not trial.finished, trial.loss))
    blend, loss = _blend(trials, answers, task)
    scaling = Scaling() if task.numeric else Scaling.fit(_mixed(trials, blend), answers)
    return Found([replace(trial, held_out=trial.held_out[:0]) for trial in trials], blend, scaling, loss, stopped)


def fitted(family: Family, settings: dict[str, Any], features: Floats, answers: Answers, task: Task) -> Any:
    """A pipeline of this family, fitted; BLAS and OpenMP get one thread, as more mostly wait for each other."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        return family.build(task, settings).fit(features, answers)


def predictions(model: Any, features: Floats, task: Task) -> Floats:
    """(n, n_classes) probabilities, or (n, 1) numbers."""
    with threadpool_limits(1):
        if task.numeric:
            return np.asarray(model.predict(features), dtype=float)[:, None]
        return np.asarray(model.predict_proba(features), dtype=float)


def losses(predicted: Floats, answers: Answers, task: Task) -> Floats:
    """(n,) squared error, or negative log of the probability of the true class."""
    if task.numeric:
        return np.asarray((predicted[:, 0] - answers) ** 2)
    return np.asarray(-np.log(np.clip(predicted[np.arange(len(answers)), answers], 1e-7, 1)))


def _folds(answers: Answers, task: Task) -> list[tuple[Ints, Ints]]:
    kind = KFold if task.numeric else StratifiedKFold
    return list(kind(FOLDS, shuffle=True, random_state=task.seed).split(np.zeros(len(answers)), answers))


def _proposals(trials: Sequence[Trial], rng: np.random.Generator) -> Any:
    """First every family as it comes, then new settings of the families that lead, the leaders more often."""
    tried: set[str] = set()
    for family in families():
        tried.add(f"{family.name} {family.default}")
        yield family, family.default
    for _ in range(1000):
        leaders: list[Trial] = []
        for trial in sorted(trials, key=lambda trial: (not trial.finished, trial.loss)):
            if trial.family.name not in {leader.family.name for leader in leaders}:
                leaders.append(trial)
        leader = leaders[min(int(rng.geometric(0.5)) - 1, len(leaders) - 1)]
        settings = _changed(leader, rng)
        name = f"{leader.family.name} {settings}"
        if name not in tried:
            tried.add(name)
            yield leader.family, settings


def _changed(leader: Trial, rng: np.random.Generator) -> dict[str, Any]:
    """The leader's settings with one or two of them changed."""
    settings = dict(leader.settings)
    names = sorted(leader.family.grid)
    for name in rng.choice(names, size=min(len(names), int(rng.integers(1, 3))), replace=False):
        values = leader.family.grid[str(name)]
        settings[str(name)] = values[int(rng.integers(len(values)))]
    return settings


def _cost(trials: Sequence[Trial], family: Family) -> float:
    """Seconds the family's last trial took; of a new family, the dearest so far."""
    own = [trial.seconds for trial in trials if trial.family.name == family.name]
    return own[-1] if own else max(trial.seconds for trial in trials)


def _rival(trials: Sequence[Trial]) -> Trial | None:
    done = [trial for trial in trials if trial.finished]
    return min(done, key=lambda trial: trial.loss) if done else None


def _cross_validate(
    family: Family,
    settings: dict[str, Any],
    features: Floats,
    answers: Answers,
    folds: Sequence[tuple[Ints, Ints]],
    task: Task,
    rival: Trial | None,
) -> Trial:
    started = time.monotonic()
    outputs = 1 if task.numeric else int(answers.max()) + 1
    held_out = np.full((len(answers), outputs), np.nan)
    by_fold: list[float] = []
    finished = True
    for train, test in folds:
        model = fitted(family, settings, features[train], answers[train], task)
        held_out[test] = predictions(model, features[test], task)
        by_fold.append(float(losses(held_out[test], answers[test], task).mean()))
        if rival is not None and len(by_fold) < len(folds):
            seen = np.concatenate([test for _, test in folds[: len(by_fold)]])
            if np.mean(by_fold) > BEHIND * losses(rival.held_out[seen], answers[seen], task).mean():
                finished = False
                break
    error = float(np.std(by_fold) / np.sqrt(len(by_fold)))
    seconds = time.monotonic() - started
    return Trial(family, settings, float(np.mean(by_fold)), error, seconds, finished, held_out)


def _blend(trials: Sequence[Trial], answers: Answers, task: Task) -> tuple[list[tuple[int, float]], float]:
    """Greedy choice with replacement of the trials whose mean prediction loses least: (place, weight), and the loss."""
    ranked = sorted((place for place, trial in enumerate(trials) if trial.finished), key=lambda p: trials[p].loss)
    pool = ranked[:12]
    picks: list[int] = []
    total = np.zeros_like(trials[pool[0]].held_out)
    best = np.inf
    for count in range(1, MEMBERS + 1):
        tries = [
            (float(losses((total + trials[place].held_out) / count, answers, task).mean()), place) for place in pool
        ]
        loss, place = min(tries)
        if loss >= best * (1 - WORTH / 4):
            break
        best = loss
        picks.append(place)
        total = total + trials[place].held_out
    return [(place, picks.count(place) / len(picks)) for place in sorted(set(picks))], best


def _mixed(trials: Sequence[Trial], blend: Sequence[tuple[int, float]]) -> Floats:
    return np.asarray(sum(weight * trials[place].held_out for place, weight in blend))
