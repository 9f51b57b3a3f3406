"""Finds records that are about one person or one organisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from detectors.contract import (
    Batch,
    Finding,
    IncrementalDetector,
    Label,
    LinkRecords,
    MergeRecords,
    RunContext,
    Since,
    TrainableDetector,
)
from detectors.duplicates import modelfile, recall
from detectors.duplicates.entities import entities
from detectors.duplicates.findings import Claim, claims, findings, owned, written
from detectors.duplicates.golden import Merger
from detectors.duplicates.learning import Learned
from detectors.duplicates.linking import Linkage, link
from detectors.duplicates.links import Links
from detectors.duplicates.scoring import Model
from detectors.duplicates.survivorship import Rule
from detectors.duplicates.teaching import Answers, learn_from
from detectors.duplicates.text import Ints

CLOSE = 0.005
"""A claim whose score moved by less, while its records did not change, stands as it is."""


@dataclass(frozen=True)
class DuplicateDetector(TrainableDetector, IncrementalDetector):
    """Record linkage: blocking, comparisons, latent classes fitted by EM, correlation clustering, survivorship.

    Works unlabelled with one configuration for every batch. Decisions become links that later runs respect.

    models: kind of entity -> a fitted model; where there is none, one is fitted to each batch.
    learned: kind of entity -> what decisions taught, where that proved better than the unsupervised score.
    links: pairs of record ids that are, or are not, one entity.
    rules: column -> an admin's survivorship rule.
    deduplicated: sources without duplicates of their own; a cluster holds one record of each at most.
    """

    name: ClassVar[str] = "duplicates"
    version: ClassVar[str] = "1"
    across_sources: ClassVar[bool] = True

    models: Mapping[str, Model] = field(default_factory=dict)
    learned: Mapping[str, Learned] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    deduplicated: frozenset[str] = frozenset()

    def detect(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """Clusters to merge, links to records of other sources, and doubtful pairs; scores are probabilities."""
        for linkage, part in self._linked(batch, context):
            merger = self._merger(part, context)
            for count, finding in enumerate(findings(linkage, merger, owned(part, context.source))):
                if count % 1000 == 0:
                    context.report(95, 100, "writing findings")
                yield finding
        context.report(100, 100, "done")

    def detect_since(self, batch: Batch, context: RunContext, since: Since) -> Iterator[Finding | str]:
        """As `detect` with the models of the latest run; only claims that are not as they were are written.

        All records are linked, since one more Smith, or a block that becomes too large, may matter to others too. That
        is a small part of a run: most goes into reasons and golden records.
        """
        fitted = replace(
            self,
            models={
                **self.models,
                **{entity: modelfile.model_from_plain(entity, plain) for entity, plain in since.kept.items()},
            },
        )
        for linkage, part in fitted._linked(batch, context):
            ids = part.frame.index.to_numpy(dtype=np.int64)
            others: list[Claim] = []
            for claim in claims(linkage, owned(part, context.source)):
                mark = claim.fingerprint(ids)
                if _stands(claim, since.standing.get(mark), since.changed.isdisjoint(ids[list(claim.rows)].tolist())):
                    yield mark
                else:
                    others.append(claim)
            rows = np.unique(np.array([row for claim in others for row in claim.rows], np.int64))
            merger = self._merger(part, context, rows)
            for claim in others:
                yield written(linkage, merger, claim)
        context.report(100, 100, "done")

    def _linked(self, batch: Batch, context: RunContext) -> Iterator[tuple[Linkage, Batch]]:
        """`link` for a run: says how good its blocking is, and keeps the models."""
        context.report(0, 100, "reading columns")
        models = {}
        for linkage, part in self.link(ordered(batch), context):
            models[linkage.plan.entity] = modelfile.model_to_plain(linkage.model)
            context.remark(recall.estimate(linkage, context.seed).words(linkage))
            yield linkage, part
        context.keep(models)

    def _merger(self, part: Batch, context: RunContext, rows: Ints | None = None) -> Merger:
        chosen = {name: Rule(rule) for name, rule in context.survivorship.items()}
        return Merger(part, {**self.rules, **chosen}, context.trusted, rows=rows)

    def link(self, batch: Batch, context: RunContext) -> Iterator[tuple[Linkage, Batch]]:
        """The linkage of each kind of entity in a batch ordered by id, with the rows it is about."""
        if len(batch) < 2:
            return
        for entity, rows in entities(batch):
            part = batch if len(rows) == len(batch) else replace(batch, frame=batch.frame.iloc[rows])
            if len(part) < 2:
                continue
            linkage = link(
                part,
                entity,
                context,
                model=self.models.get(entity),
                links=self.links,
                learned=self.learned.get(entity),
                deduplicated=self.deduplicated | context.deduplicated,
            )
            if linkage.plan.comparisons:
                yield linkage, part

    def fit(self, batch: Batch, labels: Sequence[Label], context: RunContext) -> Self:
        """A detector with a model fitted to this batch, the links of all labels, and what they taught beyond it."""
        bare = replace(self, models={}, learned={}, links=Links())
        models, learned = dict(self.models), dict(self.learned)
        answers = Answers.of(labels)
        for linkage, part in bare.link(ordered(batch), context):
            entity = linkage.plan.entity
            models[entity] = linkage.model
            taught = learn_from(linkage, part, answers, context.seed)
            if taught is not None:
                learned[entity] = taught
            else:
                learned.pop(entity, None)
        return replace(self.reweight(labels), models=models, learned=learned)

    def reweight(self, labels: Sequence[Label]) -> Self:
        """The same models with further links, at once."""
        return replace(self, links=self.links.with_labels(labels))

    def rescore(self, findings: Sequence[Finding]) -> list[float]:
        """1 where decisions say that all records are one, 0 where they say that two of them are not, else as before."""
        return [self._rescored(finding) for finding in findings]

    def _rescored(self, finding: Finding) -> float:
        if not isinstance(finding.proposal, MergeRecords | LinkRecords):
            return finding.score
        verdict = self.links.verdict(finding.subjects)
        return finding.score if verdict is None else float(verdict)

    def metrics(self) -> Mapping[str, float]:
        """Counts of links, and for each fitted model its expected matches, steps and convergence."""
        found = {"same": float(len(self.links.same)), "different": float(len(self.links.different))}
        for entity, model in self.models.items():
            found[f"{entity}_expected_matches"] = model.matches
            found[f"{entity}_steps"] = float(model.steps)
            found[f"{entity}_converged"] = float(model.converged)
        for entity, taught in self.learned.items():
            found[f"{entity}_log_loss"] = taught.loss
            found[f"{entity}_log_loss_before"] = taught.loss_before
            found[f"{entity}_answers"] = float(taught.answers)
        return found

    def save(self, directory: Path) -> None:
        modelfile.save(directory, modelfile.State(self.models, self.learned, self.links, self.rules, self.deduplicated))

    @classmethod
    def load(cls, directory: Path) -> Self:
        state = modelfile.load(directory)
        return cls(state.models, state.learned, state.links, state.rules, state.deduplicated)


def _stands(claim: Claim, before: tuple[float, str] | None, unchanged: bool) -> bool:
    """Whether a claim is as it was. before: the score and rule of the same claim. unchanged: its records are."""
    return before is not None and unchanged and before[1] == claim.rule and abs(before[0] - claim.score) < CLOSE


def ordered(batch: Batch) -> Batch:
    """The batch in the order of its record ids, so that the order of rows changes nothing."""
    index = batch.frame.index.to_numpy()
    return batch if np.all(index[1:] > index[:-1]) else replace(batch, frame=batch.frame.sort_index())
