"""What stewards accept, learned a rule: scores follow it; a rule that is mostly rejected stops suggesting.

Each rule's precision has a Beta posterior over accepted and rejected proposals; the rule's own claim is the
prior, worth a few answers. A finding's score moves by the same log odds as its rule's precision, so that the
order within a rule stays.
"""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from scipy.special import betaincinv

from detectors.contract import (
    Batch,
    Evidence,
    Finding,
    Label,
    ModelFileError,
    RunContext,
    TrainableDetector,
)

_PRIOR_ANSWERS = 4.0
"""How many answers the rule's own claim is worth: five or so decisions outweigh it."""

_LEARNED = "acceptance"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers to one rule's proposals. claimed: sum of the scores they were shown with, before learning."""

    accepted: float = 0.0
    rejected: float = 0.0
    claimed: float = 0.0

    @property
    def answers(self) -> float:
        """Weighted number of answers."""
        return self.accepted + self.rejected

    @property
    def prior(self) -> float:
        """Precision that the rule claimed for what was answered."""
        return min(0.99, max(0.01, self.claimed / self.answers)) if self.answers else 0.5

    @property
    def precision(self) -> float:
        """Posterior mean."""
        return (_PRIOR_ANSWERS * self.prior + self.accepted) / (_PRIOR_ANSWERS + self.answers)

    def lower(self, confidence: float = 0.9) -> float:
        """The precision that is exceeded with this probability, by a Beta posterior with a uniform prior."""
        return float(betaincinv(1 + self.accepted, 1 + self.rejected, 1 - confidence))

    @property
    def shift(self) -> float:
        """Bits of log2 odds by which the answers move the rule's scores."""
        return _log_odds(self.precision) - _log_odds(self.prior) if self.answers else 0.0

    def moved(self, score: float) -> float:
        """A score that the rule claims, as the answers make it."""
        return _probability(_log_odds(score) + self.shift)

    def counted(self, accepted: bool, claimed: float, weight: float = 1.0) -> Tally:
        """The tally after one more answer to a proposal that claimed this score."""
        return Tally(
            self.accepted + weight * accepted,
            self.rejected + weight * (not accepted),
            self.claimed + weight * claimed,
        )


@dataclass(frozen=True)
class Acceptance:
    """Answers by rule.

    target: precision below which a rule stops. patience: answers before that is judged.
    """

    tallies: Mapping[str, Tally] = field(default_factory=dict)
    target: float = 0.5
    patience: float = 10.0

    def after(self, labels: Iterable[Label]) -> Acceptance:
        """With these further answers."""
        tallies = dict(self.tallies)
        for label in labels:
            tally = tallies.get(label.finding.rule, Tally())
            claimed = claimed_score(label.finding)
            tallies[label.finding.rule] = tally.counted(label.is_defect, claimed, label.weight)
        return replace(self, tallies=tallies)

    def stopped(self, rule: str) -> bool:
        """Whether the rule has been answered often enough and its precision may lie below the target."""
        tally = self.tallies.get(rule)
        return tally is not None and tally.answers >= self.patience and tally.lower() < self.target

    def applied(self, finding: Finding) -> Finding:
        """The finding as it scores after what was learned, the learning among its reasons."""
        tally = self.tallies.get(finding.rule)
        if tally is None:
            return finding
        own = tuple(reason for reason in finding.evidence if reason.feature != _LEARNED)
        detail = f"{tally.accepted:g} of {tally.answers:g} such proposals were accepted."
        learned = Evidence(_LEARNED, tally.shift, detail)
        return replace(finding, score=self.score(finding), evidence=(*own, learned))

    def score(self, finding: Finding) -> float:
        """Today's score of a finding made at any time."""
        tally = self.tallies.get(finding.rule)
        return finding.score if tally is None else tally.moved(claimed_score(finding))

    def metrics(self) -> dict[str, float]:
        """labels, rules_stopped, and by rule: precision, its lower bound, answers, and 1 where it stopped."""
        found = {
            "labels": sum(tally.answers for tally in self.tallies.values()),
            "rules_stopped": float(sum(self.stopped(rule) for rule in self.tallies)),
        }
        for rule, tally in sorted(self.tallies.items()):
            found[f"precision:{rule}"] = tally.precision
            found[f"precision_lower:{rule}"] = tally.lower()
            found[f"answers:{rule}"] = tally.answers
            found[f"stopped:{rule}"] = float(self.stopped(rule))
        return found


def claimed_score(finding: Finding) -> float:
    """The score that the rule itself gave, before anything was learned: the sum of its own evidence.

    A finding without evidence (a person's own correction) claims its score.
    """
    own = [reason.weight for reason in finding.evidence if reason.feature != _LEARNED]
    return _probability(sum(own)) if own else finding.score


def reason(feature: str, score: float, detail: str, fields: tuple[str, ...] = ()) -> Evidence:
    """The one reason of a finding of this score, in bits of log2 odds."""
    return Evidence(feature, _log_odds(score), detail, fields)


def _log_odds(probability: float) -> float:
    probability = min(0.9999, max(0.0001, probability))
    return math.log2(probability / (1 - probability))


def _probability(bits: float) -> float:
    return 1.0 / (1.0 + math.exp2(-max(-60.0, min(60.0, bits))))


class RuleDetector(TrainableDetector):
    """A detector whose findings come from named rules that learn their acceptance."""

    fits_on_records: ClassVar[bool] = False

    def __init__(self, acceptance: Acceptance | None = None) -> None:
        self.acceptance = acceptance or Acceptance()

    @abstractmethod
    def suggest(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """What the rules say, each with the score that the rule claims."""

    def detect(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """What the rules say that have not been stopped, scored by their acceptance."""
        for finding in self.suggest(batch, context):
            if not self.acceptance.stopped(finding.rule):
                yield self.acceptance.applied(finding)

    def fit(self, batch: Batch, labels: Sequence[Label], context: RunContext) -> Self:
        """Count the answers to every rule, from nothing."""
        empty = replace(self.acceptance, tallies={})
        return self._with(empty.after(labels))

    def reweight(self, labels: Sequence[Label]) -> Self:
        """Count these further answers."""
        return self._with(self.acceptance.after(labels))

    def rescore(self, findings: Sequence[Finding]) -> list[float]:
        """Scores by today's acceptance; 0 for a rule that stopped."""
        return [
            0.0 if self.acceptance.stopped(finding.rule) else self.acceptance.score(finding) for finding in findings
        ]

    def metrics(self) -> Mapping[str, float]:
        """Acceptance by rule, and which rules stopped."""
        return self.acceptance.metrics()

    def save(self, directory: Path) -> None:
        """One JSON file."""
        state = {
            "format": _FORMAT,
            "detector": self.name,
            "target": self.acceptance.target,
            "patience": self.acceptance.patience,
            "tallies": {
                rule: [tally.accepted, tally.rejected, tally.claimed] for rule, tally in self.acceptance.tallies.items()
            },
            "learned": self._state(),
        }
        (directory / "model.json").write_text(json.dumps(state, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; ModelFileError says what is wrong with it."""
        try:
            state = json.loads((directory / "model.json").read_text(encoding="utf-8"))
            if state["format"] != _FORMAT:
                raise ModelFileError(f"model.json is of format {state['format']}; this code reads {_FORMAT}.")
            if state["detector"] != cls.name:
                raise ModelFileError(f"model.json was saved by {state['detector']!r}, not by {cls.name!r}.")
            tallies = {rule: Tally(*map(float, counts)) for rule, counts in state["tallies"].items()}
            made = cls(Acceptance(tallies, float(state["target"]), float(state["patience"])))
            made._restore(state["learned"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"model.json is damaged or missing: {type(error).__name__}.") from error
        return made

    def _with(self, acceptance: Acceptance) -> Self:
        made = type(self)(acceptance)
        made._restore(self._state())
        return made

    def _state(self) -> Any:
        """What else a detector learned, as plain JSON values."""
        return None

    def _restore(self, state: Any) -> None:
        """Take over what `_state` gave; on a new object only."""
