"""Why two records are, or are not, one entity: a waterfall of bits in words with the compared values.

The bits of a pair add up to its log2 odds exactly: prior + one weight a comparison + the cost of other
explanations (a household or office, namesakes) that would look alike (+ what other records and decisions add).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.contract import Evidence
from detectors.duplicates.linking import Linkage
from detectors.duplicates.scales import CLASSES

ByRow = Sequence[str | None] | Mapping[int, str | None]
"""The cell of each row position that is asked for; None where it holds no value."""
Cells = Mapping[str, ByRow]
"""Column -> its cells."""

MATCHED_ONCE = {
    True: "Their sources hold nothing twice, so a record that resembles no other of them most likely matches this one",
    False: "Their sources hold nothing twice, and one of the two resembles another record as well",
}
"""What it says that a record matches once at most, for and against."""
OTHERS = {
    True: "Records that resemble both, or how many records one has here, speak for it",
    False: "One of the two resembles another record as well, or few have so many records here",
}
"""What other records say, for and against, where nothing is known of sources."""
_SHOWN = 60


def explain(linkage: Linkage, cells: Cells, pair: int) -> tuple[Evidence, ...]:
    """The evidence of the compared pair at this position: prior, comparisons (strongest first), other explanations."""
    model, plan = linkage.model, linkage.plan
    left, right = int(linkage.left[pair]), int(linkage.right[pair])
    logs, priors = model.logs, np.log2(model.priors)
    classes = priors.copy()
    reasons = []
    for row, comparison in enumerate(plan.comparisons):
        level = int(linkage.levels[row, pair])
        if not level:
            continue
        rare = 0.0
        if level == comparison.top:
            rare = float(linkage.rare[row, left] + linkage.rare[row, right]) / 2
        classes += logs[row, :, level] - model.by_chance[row] * rare
        weight = float(logs[row, 0, level] - logs[row, -1, level]) + rare
        reasons.append(
            Evidence(
                comparison.label,
                round(weight, 2),
                _sentence(comparison.scale.words[level - 1], rare, _values(cells, comparison.fields, left, right)),
                comparison.fields,
            )
        )
    prior = Evidence(
        "prior", round(float(priors[0] - priors[-1]), 2), "How rare it is that two records of this batch are one"
    )
    others = classes[1:] - classes[-1]
    cost = -float(np.log2((2.0**others).sum()))
    nearest = CLASSES[plan.entity][1 + int(np.argmax(classes[1:3]))]
    shared = float(linkage.shared[pair])
    extra = float(linkage.bits[pair]) - float(classes[0] - classes[-1]) - cost - shared
    reasons.sort(key=lambda reason: -abs(reason.weight))
    found = [prior, *reasons]
    if cost < -0.05:
        found.append(
            Evidence("other explanations", round(cost, 2), f"It may also be: {nearest}; such records look alike")
        )
    if abs(shared) > 0.05:
        name, words = ("one match a record", MATCHED_ONCE) if linkage.once else ("other records", OTHERS)
        found.append(Evidence(name, round(shared, 2), words[shared > 0]))
    if abs(extra) > 0.05:
        found.append(Evidence("decisions", round(extra, 2), "What earlier decisions say about pairs like this one"))
    return tuple(found)


def _sentence(word: str, rare: float, values: str) -> str:
    kind = ", and rare" if rare > 1 else ", but common" if rare < -1 else ""
    return f"{word[:1].upper()}{word[1:]}{kind}: {values}"


def _values(cells: Cells, fields: tuple[str, ...], left: int, right: int) -> str:
    return f"{_shown(cells, fields, left)} / {_shown(cells, fields, right)}"


def _shown(cells: Cells, fields: tuple[str, ...], row: int) -> str:
    text = " ".join(", ".join(cells[name][row] or "" for name in dict.fromkeys(fields)).strip(", ").split())
    return f'"{text[:_SHOWN]}…"' if len(text) > _SHOWN else f'"{text}"'
