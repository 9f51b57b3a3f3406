"""What stewards' answers say about each rule: how far its scores are to be believed, and whether it may go on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import beta

from detectors.contract import Finding, Label, SetFields

PRIOR = 6.0
"""Answers' worth of trust in a rule's own calibrated score before any steward has answered."""

FEWEST = 5.0
DOUBT = 0.1


@dataclass(frozen=True, slots=True)
class Record:
    """The answers to one rule on one field, each counted by its weight.

    accepted, rejected: sums of label weights. claimed: sum of weight x score, what the rule had promised.
    """

    accepted: float = 0.0
    rejected: float = 0.0
    claimed: float = 0.0

    @property
    def answers(self) -> float:
        """All answers."""
        return self.accepted + self.rejected

    @property
    def rate(self) -> float:
        """Posterior mean acceptance, the rule's own promise as the prior; 0.5 without answers."""
        if not self.answers:
            return 0.5
        promise = self.claimed / self.answers
        return (self.accepted + PRIOR * promise) / (self.answers + PRIOR)

    def plus(self, label: Label) -> Record:
        """With one more answer."""
        right = label.weight if label.is_defect else 0.0
        return Record(
            self.accepted + right,
            self.rejected + label.weight - right,
            self.claimed + label.weight * label.finding.score,
        )


@dataclass(frozen=True)
class Acceptance:
    """Acceptance of every rule on every field.

    target: precision under which a rule stops. records: "rule|field" -> its answers.
    """

    target: float = 0.8
    records: Mapping[str, Record] = field(default_factory=dict)

    def plus(self, labels: Iterable[Label]) -> Acceptance:
        """With further answers; those to findings that set no field are not ours and are passed over."""
        records = dict(self.records)
        for label in labels:
            name = name_of(label.finding)
            if name and label.weight > 0:
                records[name] = records.get(name, Record()).plus(label)
        return Acceptance(self.target, records)

    def stopped(self, name: str) -> bool:
        """Whether a rule is very likely (90 %) below the target precision, by a uniform Beta prior."""
        record = self.records.get(name)
        if record is None or record.answers < FEWEST:
            return False
        return bool(beta.sf(self.target, record.accepted + 1, record.rejected + 1) < DOUBT)

    def rescored(self, finding: Finding) -> float:
        """The finding's score shifted, in log odds, by what its rule turned out to be worth; 0 once it stopped."""
        name = name_of(finding)
        record = self.records.get(name)
        if record is None:
            return finding.score
        if self.stopped(name):
            return 0.0
        shift = _logit(record.rate) - _logit(record.claimed / record.answers)
        return 1 / (1 + math.exp(-(_logit(finding.score) + shift)))

    def metrics(self) -> dict[str, float]:
        """Answers, overall acceptance, and by rule: its acceptance, and 1 under "stopped: ..." if it stopped."""
        if not self.records:
            return {"labels": 0.0}
        answers = sum(record.answers for record in self.records.values())
        accepted = sum(record.accepted for record in self.records.values())
        figures = {"labels": answers, "acceptance": accepted / answers}
        for name, record in sorted(self.records.items()):
            figures[f"acceptance: {name}"] = record.accepted / record.answers
            if self.stopped(name):
                figures[f"stopped: {name}"] = 1.0
        return figures

    def to_json(self) -> dict[str, Any]:
        """Plain values for a model file."""
        records = {name: [item.accepted, item.rejected, item.claimed] for name, item in sorted(self.records.items())}
        return {"target": self.target, "records": records}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Acceptance:
        """Read `to_json`. Raises KeyError, TypeError or ValueError if it is something else."""
        records = {str(name): Record(*map(float, sums)) for name, sums in data["records"].items()}
        return cls(float(data["target"]), records)


def name_of(finding: Finding) -> str:
    """The "rule|field" a finding is accounted under; "" for a finding that is not one of ours."""
    if not isinstance(finding.proposal, SetFields):
        return ""
    return f"{finding.rule}|{','.join(sorted(finding.proposal.changes))}"


def _logit(share: float) -> float:
    share = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(share / (1 - share))
