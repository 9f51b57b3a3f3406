"""Scores into probabilities, residuals into intervals, and how far both can be believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from detectors.prediction.engine.encoding import Floats

FEWEST = 30
"""With fewer held-out answers than this, the answers' overall share is the only probability claimed."""

DRAWS = 30
"""Samples, each of half as many answers drawn with repeats, whose step functions are averaged."""

PULL = 20.0
"""Answers' worth of the smooth curve that is mixed into every step, so that a step of few answers is no proof."""


@dataclass(frozen=True)
class Calibrator:
    """A rising function from a score, itself a guess at the probability, to the share of right answers seen there.

    scores, shares: (n_knots,) both ascending; between knots the share is interpolated.
    """

    scores: Floats
    shares: Floats

    @classmethod
    def fit(cls, scores: Floats, right: Floats) -> Calibrator:
        """The mean of isotonic regressions on samples of held-out answers; with few, their overall share.

        scores: (n,) in [0, 1]. right: (n,) 1 where the answer was right, else 0. No answers: everything is 1/2.
        One regression's steps are wide and jump where chance has it, so that whole groups of answers fall on
        one side of a bound; the mean of several rises steadily.

        Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
        estimates", KDD 2002; Bühlmann and Yu, "Analyzing bagging", Annals of Statistics 2002 (half samples).
        """
        if len(scores) < FEWEST:
            return cls(np.zeros(1), np.array([(np.sum(right) + 0.5) / (len(right) + 1)]))
        rng = np.random.default_rng(0)
        draws = [rng.integers(0, len(scores), len(scores) // 2) for _ in range(DRAWS)]
        smooth = _smooth(scores, right)
        curves = [_isotonic(scores[draw], right[draw], smooth) for draw in draws]
        knots = np.unique(np.concatenate([curve[0] for curve in curves]))
        return cls(knots, np.mean([np.interp(knots, *curve) for curve in curves], axis=0))

    def __call__(self, scores: Floats) -> Floats:
        """The probability of each score, in the same shape."""
        return np.asarray(np.interp(scores, self.scores, self.shares))


def _smooth(scores: Floats, right: Floats) -> Callable[[Floats], Floats]:
    """A logistic curve of the scores' log odds; few answers leave it at the scores themselves.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999; Newton's method, a ridge of `PULL`
    towards the identity.
    """
    identity, weights = np.array([0.0, 1.0]), np.array([0.0, 1.0])

    def inputs(scores: Floats) -> Floats:
        return np.column_stack([np.ones(len(scores)), logit(scores.clip(1e-6, 1 - 1e-6))])

    known = inputs(scores)
    for _ in range(20):
        told = expit(known @ weights)
        slope = known.T @ (told - right) + PULL * (weights - identity)
        curve = (known * (told * (1 - told))[:, None]).T @ known + PULL * np.eye(2)
        weights = weights - np.linalg.solve(curve, slope).clip(-2, 2)
    return lambda scores: np.asarray(expit(inputs(scores) @ weights))


def _isotonic(scores: Floats, right: Floats, smooth: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """The middle and the height of each step of an isotonic regression, drawn towards `smooth` by `PULL` answers.

    Tried and rejected: drawn towards 1/2 by one answer (Krichevsky and Trofimov), small tables claim too little near
    1; drawn towards the scores, scores that claim too much go on doing so.
    """
    fitted = IsotonicRegression(out_of_bounds="clip").fit_transform(scores, right)
    _, step = np.unique(fitted, return_inverse=True)
    size = np.bincount(step)
    middle = np.bincount(step, weights=scores) / size
    share = (np.bincount(step, weights=right) + PULL * smooth(middle)) / (size + PULL)
    order = np.argsort(middle, kind="stable")
    return middle[order], np.maximum.accumulate(share[order])


def calibration_error(probabilities: Floats, right: Floats, bins: int = 15) -> float:
    """Expected calibration error: |mean probability - share right|, weighted, over bins of equal count; 0 if empty.

    probabilities, right: (n,).

    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015, with
    bins of equal count (Nguyen and O'Connor 2015), which do not hide errors in crowded bins.
    """
    if len(probabilities) == 0:
        return 0.0
    order = np.argsort(probabilities, kind="stable")
    gaps = [
        abs(probabilities[part].mean() - right[part].mean()) * len(part)
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return float(sum(gaps) / len(probabilities))


def conformal_radius(residuals: Floats, coverage: float = 0.9) -> float:
    """How far either side of a prediction the truth lies with this probability; infinite with too few residuals.

    residuals: (n,) absolute errors on rows the model did not see, exchangeable with the rows to predict.

    Source: Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 2018, algorithm 2.
    """
    rank = int(np.ceil((len(residuals) + 1) * coverage))
    return float(np.sort(residuals)[rank - 1]) if rank <= len(residuals) else float("inf")


BANDS = 5
BAND_ROWS = 40
"""Residuals a band needs for a radius of its own."""


@dataclass(frozen=True)
class Intervals:
    """How far either side of a prediction the truth lies, by how large the prediction is: errors grow with numbers.

    edges: (n_bands - 1,) ascending predictions that part the bands. radii: (n_bands,), infinite where nothing is known.

    Source: Mondrian conformal prediction, Vovk et al., "Algorithmic Learning in a Random World", 2005, chapter 4: each
    band keeps the coverage by itself.
    """

    edges: tuple[float, ...] = ()
    radii: tuple[float, ...] = (float("inf"),)

    @classmethod
    def fit(cls, predicted: Floats, residuals: Floats, coverage: float = 0.9) -> Intervals:
        """By predictions of rows that the model did not see, and their absolute errors; both (n,)."""
        bands = max(1, min(BANDS, len(residuals) // BAND_ROWS))
        edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bands + 1)[1:-1])) if bands > 1 else np.zeros(0)
        band = np.searchsorted(edges, predicted)
        radii = tuple(conformal_radius(residuals[band == each], coverage) for each in range(len(edges) + 1))
        return cls(tuple(map(float, edges)), radii)

    def __call__(self, predicted: Floats) -> Floats:
        """The radius of each prediction, in the same shape."""
        return np.asarray(np.array(self.radii)[np.searchsorted(np.array(self.edges), predicted)])
