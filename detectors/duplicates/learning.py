"""Learning from decisions: boosted trees on the comparison vector, served only if they beat the unsupervised score.

Few labels can hurt (500 of them took FEBRL 4 from 1.000 to .970), so three things guard the way: trees see the
unsupervised score as a feature, their answer is blended with it by a logistic model fitted to held-out answers,
and the blend is used only if its held-out log-loss beats that of the unsupervised score by more than chance.

Sources: Friedman, "Greedy function approximation", 2001; Platt, "Probabilistic outputs", 1999.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from detectors.compiling import compiled
from detectors.duplicates.plan import Plan, Rows
from detectors.duplicates.scoring import Bits, Model
from detectors.duplicates.text import Bytes, Ints

Floats = npt.NDArray[np.float64]

LEAST = 20
"""Answers of each kind that are needed before anything is learned."""
FOLDS = 5
REPLACED = (-20.0, 30.0)
"""Unsupervised bits between which a learned score replaces the unsupervised one; outside, nobody doubts."""
TREES, DEPTH, RATE, LEAF = 120, 3, 0.06, 5


@dataclass(frozen=True)
class Learned:
    """Boosted trees and their blend with the unsupervised score.

    feature, threshold, left, right, value: (trees, nodes); feature -1 marks a leaf. base: log-odds before any tree.
    blend: weight of the unsupervised log-odds, of the trees' log-odds, and a constant (natural log).
    loss, loss_before: held-out log-loss of the blend and of the unsupervised score; answers: how many it was fitted to.
    """

    feature: npt.NDArray[np.int64]
    threshold: Floats
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    value: Floats
    base: float
    blend: tuple[float, float, float]
    loss: float
    loss_before: float
    answers: int

    def bits(self, vectors: Floats, bits: Bits) -> Bits:
        """(pairs,) log2 odds of pairs by their `vectors`, where the unsupervised ones leave a doubt."""
        inside = (bits > REPLACED[0]) & (bits < REPLACED[1])
        trees = np.empty(int(inside.sum()))
        _walk(vectors[inside], self.feature, self.threshold, self.left, self.right, self.value, self.base, trees)
        blended = self.blend[0] * _natural(bits[inside]) + self.blend[1] * trees + self.blend[2]
        out = bits.copy()
        out[inside] = np.clip(blended / np.log(2), -30, 30)
        return out

    def to_plain(self) -> dict[str, Any]:
        """The same as lists and numbers."""
        plain: dict[str, Any] = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return plain | {name: getattr(self, name) for name in ("base", "blend", "loss", "loss_before", "answers")}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Learned:
        """Read what `to_plain` wrote. Raises KeyError, TypeError or ValueError if it is something else."""
        arrays: dict[str, Any] = {name: np.array(plain[name], dtype=dtype) for name, dtype in _ARRAYS.items()}
        if len({array.shape for array in arrays.values()}) != 1:
            raise ValueError("the trees' arrays differ in shape")
        rest = {name: plain[name] for name in ("base", "loss", "loss_before", "answers")}
        return cls(**arrays, blend=tuple(plain["blend"]), **rest)


_ARRAYS: dict[str, type] = {
    "feature": np.int64,
    "threshold": np.float64,
    "left": np.int64,
    "right": np.int64,
    "value": np.float64,
}


def vectors(model: Model, plan: Plan, left: Rows, right: Rows, levels: Bytes, rare: Bits, bits: Bits) -> Floats:
    """(pairs, features): levels, rarity of agreeing values, log-odds of each class against strangers, the score."""
    tops = np.array([comparison.top for comparison in plan.comparisons])[:, None]
    agreed = np.where(levels == tops, (rare[:, left] + rare[:, right]) / 2, 0.0)
    classes = np.zeros((4, levels.shape[1]))
    for row, logs in enumerate(model.logs):
        classes += logs[:, levels[row]] - model.by_chance[row][:, None] * agreed[row]
    classes += np.log2(model.priors)[:, None]
    return np.concatenate([levels, agreed, classes[:3] - classes[3], bits[None]]).T.astype(np.float64)


def learn(features: Floats, bits: Bits, same: npt.NDArray[np.bool_], trust: Floats, seed: int) -> Learned | None:
    """A model from answered pairs; None where answers are few or it would not be better than the unsupervised score.

    features: (answers, features) of `vectors`. bits: their unsupervised log2 odds. same: the answers.
    trust: a weight each.
    """
    if min(int(same.sum()), int((~same).sum())) < LEAST:
        return None
    prior = _natural(bits)
    held_out = np.zeros(len(same))
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(features, same))
    for train, test in folds:
        held_out[test] = _trees(features[train], same[train], trust[train], seed).decision_function(features[test])
    both = np.stack([prior, held_out], axis=1)
    blended = np.zeros(len(same))
    for train, test in folds:
        blended[test] = _blend(both[train], same[train], trust[train]).decision_function(both[test])
    before, after = _loss(prior, same), _loss(blended, same)
    gain = (before - after) * trust
    wrong_before, wrong_after = ((prior > 0) != same).sum(), ((blended > 0) != same).sum()
    if gain.mean() <= gain.std() / np.sqrt(len(gain)) or wrong_after > wrong_before:
        return None
    final, blend = _trees(features, same, trust, seed), _blend(both, same, trust)
    weights = (float(blend.coef_[0, 0]), float(blend.coef_[0, 1]), float(blend.intercept_[0]))
    arrays, base = _flat(final, features[:1])
    return Learned(
        **arrays,
        base=base,
        blend=weights,
        loss=float(after.mean()),
        loss_before=float(before.mean()),
        answers=len(same),
    )


def _natural(bits: npt.NDArray[Any]) -> Floats:
    return np.asarray(np.clip(bits.astype(np.float64), -30, 30) * np.log(2), dtype=np.float64)


def _loss(odds: Floats, same: npt.NDArray[np.bool_]) -> Floats:
    return np.asarray(np.logaddexp(0.0, np.where(same, -odds, odds)), dtype=np.float64)


def _trees(features: Floats, same: npt.NDArray[np.bool_], trust: Floats, seed: int) -> GradientBoostingClassifier:
    model = GradientBoostingClassifier(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, min_samples_leaf=LEAF, subsample=0.8, random_state=seed
    )
    model.fit(features, same, sample_weight=trust)
    return model


def _blend(both: Floats, same: npt.NDArray[np.bool_], trust: Floats) -> LogisticRegression:
    return LogisticRegression(C=1.0).fit(both, same, sample_weight=trust)


def _flat(model: GradientBoostingClassifier, one: Floats) -> tuple[dict[str, Any], float]:
    """The trees as rectangular arrays, and the log-odds before the first tree."""
    trees = [estimator.tree_ for estimator in model.estimators_[:, 0]]
    shape = (len(trees), max(tree.node_count for tree in trees))
    arrays = {name: np.zeros(shape, dtype) for name, dtype in _ARRAYS.items()}
    arrays["feature"][:] = -1
    for place, tree in enumerate(trees):
        size = tree.node_count
        arrays["feature"][place, :size] = np.where(tree.children_left < 0, -1, tree.feature)
        arrays["threshold"][place, :size] = tree.threshold
        arrays["left"][place, :size] = np.maximum(tree.children_left, 0)
        arrays["right"][place, :size] = np.maximum(tree.children_right, 0)
        arrays["value"][place, :size] = tree.value[:, 0, 0] * model.learning_rate
    out = np.zeros(1)
    _walk(one, **arrays, base=0.0, out=out)
    return arrays, float(model.decision_function(one)[0] - out[0])


@compiled
def _walk(
    vectors: Floats, feature: Ints, threshold: Floats, left: Ints, right: Ints, value: Floats, base: float, out: Floats
) -> None:
    for pair in range(len(vectors)):
        total = base
        for tree in range(len(feature)):
            node = 0
            while feature[tree, node] >= 0:
                below = np.float32(vectors[pair, feature[tree, node]]) <= threshold[tree, node]
                node = left[tree, node] if below else right[tree, node]
            total += value[tree, node]
        out[pair] = total
