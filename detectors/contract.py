"""The contract every detector keeps, built-in and third-party alike.

A detector turns a `Batch` of records into `Finding`s. It never cuts by score (that is policy, an admin's
choice), never writes, and never hears of review: feedback reaches it as plain `Label`s.
`detectors.testing` ships this contract as tests.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pandas as pd

from detectors.roles import Role

if TYPE_CHECKING:
    from detectors.enrichment.detector import Suggestion
    from detectors.rules.checking import Result

RecordId = int
"""Identifies a record; the index of a batch's frame holds these."""

Changes = Mapping[str, str | None]
"""Field name -> proposed value; None empties the field."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to look at.

    frame: one row a record; the index holds the record ids (unique, any order). Every cell is a `str`, or
        missing (None or NaN): text is kept as the source gave it, so "00123" stays "00123".
    roles: column of the frame -> what it means. Columns without a role are left out by the runner.
    kind: contacts, accounts, leads, opportunities, quotations, orders or activities; "" if unknown.
    origin: record id -> name of the source it came from, where a batch unites several; else empty.
    """

    frame: pd.DataFrame
    roles: Mapping[str, Role]
    kind: str = ""
    origin: Mapping[RecordId, str] = field(default_factory=dict)

    def columns(self, *roles: Role) -> list[str]:
        """The frame's columns that hold any of these roles, in the frame's order."""
        return [name for name in self.frame.columns if self.roles.get(name) in roles]

    def column(self, role: Role) -> str | None:
        """The first column that holds this role; None if there is none."""
        return next(iter(self.columns(role)), None)

    def text(self, role: Role) -> pd.Series | None:
        """The first column of this role; None if there is none."""
        name = self.column(role)
        return None if name is None else self.frame[name]

    def __len__(self) -> int:
        return len(self.frame)


class Cancelled(Exception):
    """Raised out of `RunContext.report` when a person cancelled the run; let it through."""


def _no_remark(sentence: str) -> None:
    return None


def _no_rules(batch: Batch) -> Sequence[Result]:
    return ()


def _no_look_ups(batch: Batch, report: Callable[..., None]) -> Iterable[Suggestion]:
    return ()


def _kept_nowhere(fitted: Mapping[str, Any]) -> None:
    return None


def _silent(done: int, total: int, stage: str = "") -> None:
    return None


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the runner lends a detector for one run.

    seed: every random choice comes from it, so that a run can be repeated.
    device: "cpu", "cuda" or "auto" (the detector's own choice).
    report: report(done, total, stage="") feeds the progress bar; call it at least every few seconds. It
        raises `Cancelled` when the run was cancelled.
    survivorship: column -> name of the rule by which an admin lets one of several values survive a merge; a column
        that is absent goes by its role. For detectors that propose merges.
    trusted: source systems (values of a column of that role), the most trusted first.
    sensitive: columns of sensitive attributes (gender, age ...) whose blanks an admin lets a detector fill.
    check: check(batch) holds the rules that an admin set for the source against the batch.
    enrich: enrich(batch, report) asks the look-ups that an admin set for the source.
    remark: remark(sentence) notes what whoever looks at the run should know of how it was made; no values of records.
    memory: bytes that what a detector must keep for long may take, beyond which it lies in temporary files; 0 = a part
        of the machine's memory.
    keep: keep(fitted) keeps what was fitted to the records, as JSON and without their values, for the runs that go on
        from this one (`IncrementalDetector`).
    source: the source that the run is for, a name of `Batch.origin`, where the batch unites several; "" for one.
    deduplicated: sources that hold nothing twice, as an admin says.
    """

    seed: int = 0
    device: str = "auto"
    report: Callable[..., None] = _silent
    survivorship: Mapping[str, str] = field(default_factory=dict)
    trusted: tuple[str, ...] = ()
    sensitive: frozenset[str] = frozenset()
    check: Callable[[Batch], Sequence[Result]] = _no_rules
    enrich: Callable[[Batch, Callable[..., None]], Iterable[Suggestion]] = _no_look_ups
    remark: Callable[[str], None] = _no_remark
    keep: Callable[[Mapping[str, Any]], None] = _kept_nowhere
    source: str = ""
    deduplicated: frozenset[str] = frozenset()
    memory: int = 0


@dataclass(frozen=True, slots=True)
class SetFields:
    """Write these values into the one record."""

    changes: Changes


@dataclass(frozen=True, slots=True)
class MergeRecords:
    """Make one golden record of several: `survivor` stays and takes `changes`, `members` point at it.

    members: all records of the cluster but the survivor, at least one.
    """

    survivor: RecordId
    members: tuple[RecordId, ...]
    changes: Changes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkRecords:
    """The two records are one entity, each in a source of its own: they are linked, nothing is written or merged."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Someone should look; there is no value to propose."""


Proposal = SetFields | MergeRecords | LinkRecords | Flag


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a finding, as a steward reads it.

    feature: short name of what was compared or seen ("e-mail", "amount").
    weight: how much it speaks for (> 0) or against (< 0) the claim, in the detector's own additive unit
        (bits of log2 odds for duplicates); the sum over a finding's evidence explains its score.
    detail: a sentence with the compared values.
    fields: the fields it is about, if any.
    records: the records it is about, where that is not all of the finding's: the pair that holds a cluster together.
    """

    feature: str
    weight: float
    detail: str
    fields: tuple[str, ...] = ()
    records: tuple[RecordId, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim about one or more records.

    subjects: the record ids it is about; one for SetFields and Flag, all members for MergeRecords, two for LinkRecords.
    score: strength in [0, 1], higher = stronger. A probability where the detector says it is calibrated.
    rule: short stable name of the rule, table or model part that made it ("email-typo", "postcode-city"):
        acceptance is measured and learned a rule.
    """

    subjects: tuple[RecordId, ...]
    proposal: Proposal
    score: float
    evidence: tuple[Evidence, ...] = ()
    rule: str = ""

    @property
    def fingerprint(self) -> str:
        """Identifies the claim, not the score: who, and what is claimed about them.

        Two runs that claim the same about the same records give the same fingerprint. A merge is the same
        claim whichever record survives; a flag is the same claim whatever its evidence.
        """
        match self.proposal:
            case SetFields(changes):
                claim: Any = ["set", sorted(self.subjects), sorted(changes.items())]
            case MergeRecords():
                claim = ["merge", sorted(self.subjects)]
            case LinkRecords():
                claim = ["link", sorted(self.subjects)]
            case Flag():
                claim = ["flag", sorted(self.subjects), self.rule]
        text = json.dumps(claim, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Label:
    """A person's answer to a finding.

    is_defect: True if the claim was right (accepted, or edited to something near), False if it was rejected.
    weight: how far the person is trusted, from their known-answer accuracy; 1 = fully.
    """

    finding: Finding
    is_defect: bool
    weight: float = 1.0


class Detector(ABC):
    """Finds what is wrong in a batch. Construct without arguments for the defaults.

    name: the registry's name; lower case, stable.
    version: changes when findings may change or saved models cannot be read any more; stored with every run.
    across_sources: it is given the records of sister sources too (`Batch.origin`, `RunContext.source`).
    """

    name: ClassVar[str]
    version: ClassVar[str]
    across_sources: ClassVar[bool] = False

    @abstractmethod
    def detect(self, batch: Batch, context: RunContext) -> Iterable[Finding]:
        """Everything worth ranking in the batch, in any order; may be a generator.

        The same batch, context seed and state give the same findings, whatever the order of the rows.
        An empty batch, or one without a role it can use, gives no finding and no error.
        """


@dataclass(frozen=True, slots=True)
class Since:
    """What there is from the latest run, for a detector that goes on from it.

    changed: the records of the batch that are new since, or hold other values. Those that are gone are not in it.
    standing: fingerprint -> (score, rule) of the claims that are made.
    kept: what that run kept by `RunContext.keep`.
    """

    changed: frozenset[RecordId]
    standing: Mapping[str, tuple[float, str]]
    kept: Mapping[str, Any]


class IncrementalDetector(Detector):
    """A detector that can go on from its latest run, at less cost than a run over everything.

    `detect` keeps what it fits to the records (`RunContext.keep`).
    """

    @abstractmethod
    def detect_since(self, batch: Batch, context: RunContext, since: Since) -> Iterable[Finding | str]:
        """What `detect` finds in the batch where it fits nothing anew; a claim that stands by its fingerprint alone.

        Such a claim is about records none of which changed, and is as strong as it was but for .01 at most. A standing
        claim that is not given is no longer made. Keeps what it was fitted to, as `detect` does.
        """


class ModelFileError(Exception):
    """A saved model is damaged, older than this code can read, or not ours; the message says which."""


class TrainableDetector(Detector):
    """A detector that learns. Learning never changes the object: it returns a new one.

    reweights_at_once: `reweight` changes scores within milliseconds, so the open claims are ranked anew before the
        next card; such a detector is fitted once on the data before any decision. Otherwise `reweight` may still
        remember answers (links that must or must not be made) for the next run.
    fits_on_records: `fit` looks at the records. Otherwise it is given a batch without rows, so that counting answers
        never reads a table of a million.
    """

    reweights_at_once: ClassVar[bool] = False
    fits_on_records: ClassVar[bool] = True

    @abstractmethod
    def fit(self, batch: Batch, labels: Sequence[Label], context: RunContext) -> Self:
        """A new detector trained on the batch and all labels so far (seconds to minutes; in a worker).

        The result may keep what it needs to be reweighted: `batch` is the records that the labels are about.
        Too few labels to learn from is not an error: the result then behaves like an untrained one.
        """

    @abstractmethod
    def reweight(self, labels: Sequence[Label]) -> Self:
        """A new detector after these further labels, at once (milliseconds; between two cards).

        A detector that cannot do this returns itself.
        """

    @abstractmethod
    def rescore(self, findings: Sequence[Finding]) -> list[float]:
        """Today's score of findings made earlier, in the same order; the old score where it is unknown."""

    def worth(self, findings: Sequence[Finding]) -> list[float | None]:
        """How much a verdict on each would teach: 0 to .5, as a coin's toss is worth .5; None where it cannot tell."""
        return [None] * len(findings)

    def varied(self, findings: Sequence[Finding], many: int) -> list[int]:
        """Positions of at most `many` findings, each unlike those before it and those answered.

        findings: the likeliest first. A detector that cannot tell likeness keeps their order.
        """
        return list(range(min(many, len(findings))))

    @abstractmethod
    def metrics(self) -> Mapping[str, float]:
        """How good it is, by held-out labels or its own fit ("f1", "log_loss", "labels" ...); may be empty."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the whole state into the empty directory; no pickle (safetensors, skops or JSON)."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote. Raises ModelFileError if it is damaged, foreign or of another format."""
