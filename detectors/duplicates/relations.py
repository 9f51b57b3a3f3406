"""What two records are to each other where they are not one: of one household or office, of one group of companies.

The model has a class for such pairs, so that they are not taken for copies; here the class itself is the answer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.duplicates.plan import Levels, Plan
from detectors.duplicates.scales import CLASSES
from detectors.duplicates.scoring import Bits, Model
from detectors.duplicates.text import Ints

Floats = npt.NDArray[np.float64]

RELATED = 1
"""The place of the household, or of the group, among the classes."""


def kind(entity: str) -> str:
    """The relation in words, for this kind of entity."""
    return CLASSES[entity][RELATED]


def class_probabilities(model: Model, plan: Plan, left: Ints, right: Ints, levels: Levels, rare: Bits) -> Floats:
    """(classes, pairs) probability of each latent class; each pair's sum to 1.

    levels: (comparisons, pairs). rare: (comparisons, rows) of `scoring.rarity`.
    """
    weights = np.repeat(np.log2(model.priors)[:, None], len(left), axis=1)
    for row, (comparison, logs) in enumerate(zip(plan.comparisons, model.logs, strict=True)):
        agreed = np.where(levels[row] == comparison.top, (rare[row, left] + rare[row, right]) / 2, 0.0)
        there = levels[row] > 0
        weights += np.where(there, logs[:, levels[row]] - model.by_chance[row][:, None] * agreed, 0.0)
    weights -= weights.max(axis=0)
    odds = np.exp2(weights)
    return np.asarray(odds / odds.sum(axis=0), dtype=np.float64)
