"""Records that look unlike the rest, flagged with reasons, re-ranked by every verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies import members, saving, strategies
from detectors.anomalies.discovery import Answer, Discovery, Unlabelled, unlabelled
from detectors.anomalies.drift import Drift, adapt
from detectors.anomalies.explain import Explainer, learned_reasons
from detectors.anomalies.features import Feature, Features, features
from detectors.anomalies.forest import Floats, Forest
from detectors.anomalies.rules import Rule, describe
from detectors.anomalies.shapley import Shapley, shapley
from detectors.anomalies.standing import Standing, standing
from detectors.contract import Batch, Evidence, Finding, Flag, Label, RunContext, TrainableDetector

RULE = "unusual-record"
"""One claim a record, whatever the reasons: a verdict is on the record, and stays with it."""
TOP_SHARE, TOP_LEAST = 0.03, 50
"""At most max(50, 3 % of the rows) are worth ranking; policy cuts further."""
SURE_SHARE = 0.1
"""Where one value alone, or what was learned, makes more rows worth a look, those too, up to this share."""
LIKELY = 0.5
"""Probability from which on a record is no usual one, once labels are known."""
FEWEST_ROWS = 8
"""With fewer records nothing is usual."""


class AnomalyDetector(TrainableDetector):
    """Flags unusual records of any kind: deals, orders, accounts, contacts.

    Without labels: isolation forest, ECOD, quantile HBOS, robust z and IQR fences averaged, or regression residual
    or a rare pair where one is surer, or one value alone that is out of place in its column. With labels: the order
    of `Discovery`. Either way the score is the share of usual records that are less odd: .9995 is "1 in 2,000". A
    record is flagged only if a reason can be said.
    """

    name: ClassVar[str] = "anomalies"
    version: ClassVar[str] = "3"
    reweights_at_once: ClassVar[bool] = True

    def __init__(self) -> None:
        self.verdicts: dict[int, tuple[bool, float]] = {}
        self.ids: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.columns: tuple[Feature, ...] = ()
        self.discovery: Discovery | None = None
        self.drift: Drift | None = None

    def detect(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """At most max(50, 3 %) of the records, or as many as one value makes sure, oddest first, with their reasons."""
        context.report(0, 4, "reading features")
        frame, made, ids = _read(batch)
        if len(ids) < FEWEST_ROWS or not len(made):
            return
        context.report(1, 4, "growing the forest")
        table = unlabelled(made, context.seed)
        context.report(2, 4, "ranking")
        discovery = self._discovery(table, ids)
        order = table.outlyingness if discovery is None else discovery.scores()
        odd = table.sure if discovery is None else discovery.expected >= LIKELY
        context.report(3, 4, "explaining")
        ranked = np.lexsort((ids, -order))
        scores = _odder_than(order[ranked], odd[ranked])
        best = ranked[: _worth_ranking(len(ids), int(odd.sum()))]
        explainer = Explainer(frame, made, best)
        for position, row in enumerate(best):
            if position % 200 == 0:
                context.report(3, 4, "explaining")
            reasons = explainer.reasons(int(row)) + learned_reasons(discovery, int(row), ids)
            if any(reason.weight > 0 for reason in reasons):
                rarity = _rarity(position, len(ids), learned=discovery is not None)
                yield Finding((int(ids[row]),), Flag(), float(scores[position]), (*reasons, rarity), RULE)
        context.report(4, 4, "done")

    def fit(self, batch: Batch, labels: Sequence[Label], context: RunContext) -> Self:
        """Keep the batch's forest, features and members, and train on all labels about its records."""
        context.report(0, 3, "reading features")
        fitted = type(self)()
        _, made, ids = _read(batch)
        fitted.verdicts = _verdicts(labels)
        if len(ids) < FEWEST_ROWS or not len(made):
            return fitted
        context.report(1, 3, "growing the forest")
        fitted.ids = ids
        fitted.columns = made.columns
        forest, fitted.drift = self._adapted(made, fitted.columns, context.seed)
        table = unlabelled(made, context.seed, forest)
        context.report(2, 3, "learning from labels")
        fitted.discovery = Discovery(table, _answers(fitted.verdicts, ids))
        context.report(3, 3, "done")
        return fitted

    def _adapted(self, made: Features, columns: tuple[Feature, ...], seed: int) -> tuple[Forest | None, Drift | None]:
        """The forest of the last fit with only the trees that drifted grown anew; none where the columns changed."""
        if self.discovery is None or columns != self.columns:
            return None, None
        table = self.discovery.table
        return adapt(table.forest, table.leaves, np.ascontiguousarray(made.values, np.float32), seed)

    def reweight(self, labels: Sequence[Label]) -> Self:
        """The order after these further labels: exact for similar records, the leaf weights as of the last fit."""
        other = copy(self)
        fresh = _verdicts(labels)
        other.verdicts = self.verdicts | fresh
        if self.discovery is not None:
            other.discovery = self.discovery.fork()
            known = self.discovery.answers
            other.discovery.take([one for one in _answers(fresh, self.ids) if known.get(one.row) != one])
        return other

    def rescore(self, findings: Sequence[Finding]) -> list[float]:
        """Today's share of less odd records for each finding; the old score for records it does not know."""
        if self.discovery is None:
            return [finding.score for finding in findings]
        at, known = self._rows(findings)
        shares = iter(self.discovery.shares(at[known]))
        return [float(next(shares)) if here else finding.score for finding, here in zip(findings, known, strict=True)]

    def worth(self, findings: Sequence[Finding]) -> list[float | None]:
        """How much a verdict on each would teach; None for records it does not know."""
        if self.discovery is None:
            return [None] * len(findings)
        at, known = self._rows(findings)
        taught = strategies.worth(self.discovery, at) if len(findings) else np.zeros(0)
        return [float(value) if here else None for value, here in zip(taught, known, strict=True)]

    def varied(self, findings: Sequence[Finding], many: int) -> list[int]:
        """Positions of findings of which neither those before them nor the answers foretell the verdict."""
        at, known = self._rows(findings) if self.discovery is not None else (np.zeros(0, np.int64), np.zeros(0, bool))
        if self.discovery is None or not known.all():
            return super().varied(findings, many)
        return self.discovery.varied(at, many)

    def metrics(self) -> Mapping[str, float]:
        """labels, confirmed; drifted_trees of the last fit; with both verdicts what `_held_out` says."""
        counts = {
            "labels": float(len(self.verdicts)),
            "confirmed": float(sum(verdict for verdict, _ in self.verdicts.values())),
        }
        if self.drift is not None:
            counts["drifted_trees"] = float(len(self.drift.trees)) if self.drift.drifted else 0.0
        return counts | ({} if self.discovery is None else _held_out(self.discovery))

    def rules(self) -> list[Rule]:
        """The confirmed anomalies of the fitted table as rules, which an admin may keep as standing checks."""
        if self.discovery is None:
            return []
        answers = list(self.discovery.answers.values())
        rows = np.array([answer.row for answer in answers], np.int64)
        confirmed = np.array([answer.confirmed for answer in answers], bool)
        table = self.discovery.table
        names = [feature.name for feature in self.columns]
        return describe(table.forest, table.leaves, table.values, names, rows, confirmed)

    def shapley(self, record: int) -> Shapley | None:
        """What each feature of a record adds to its score by the isolation forest; None where it is not known."""
        at, known = self._rows([Finding((record,), Flag(), 0.0, (), RULE)])
        if self.discovery is None or not known[0]:
            return None
        table = self.discovery.table
        forest = table.forest
        return shapley(lambda rows: forest.score(forest.leaves(rows)), table.values[at[0]], table.values)

    def standing(self) -> Standing | None:
        """Why the order is as it is; None before a fit."""
        return None if self.discovery is None else standing(self.discovery)

    def save(self, directory: Path) -> None:
        """Write arrays.safetensors and model.json."""
        saving.save(self.discovery, self.ids, self.columns, self.verdicts, directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote. Raises ModelFileError."""
        loaded = cls()
        loaded.discovery, loaded.ids, loaded.columns, loaded.verdicts = saving.load(directory)
        return loaded

    def _rows(self, findings: Sequence[Finding]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The fitted table's row of each finding's record, and whether it is there: (n,) each."""
        subjects = np.array([finding.subjects[0] for finding in findings], np.int64)
        at = np.minimum(np.searchsorted(self.ids, subjects), max(len(self.ids) - 1, 0))
        return at, self.ids[at] == subjects if len(findings) else np.zeros(0, bool)

    def _discovery(self, table: Unlabelled, ids: npt.NDArray[np.int64]) -> Discovery | None:
        """The learned order of a table; None while no label is about its records."""
        answers = _answers(self.verdicts, ids)
        return Discovery(table, answers) if answers else None


def _read(batch: Batch) -> tuple[pd.DataFrame, Features, npt.NDArray[np.int64]]:
    """The batch in the order of its record ids, its features, and the ids: the rows' order must not matter."""
    frame = batch.frame.sort_index()
    return frame, features(frame, batch.roles), frame.index.to_numpy(np.int64)


def _verdicts(labels: Iterable[Label]) -> dict[int, tuple[bool, float]]:
    """Record id -> latest verdict and its trust; labels of no weight teach nothing."""
    return {label.finding.subjects[0]: (label.is_defect, float(label.weight)) for label in labels if label.weight > 0}


def _answers(verdicts: Mapping[int, tuple[bool, float]], ids: npt.NDArray[np.int64]) -> list[Answer]:
    """The verdicts on records of the table, by row; `ids` is sorted."""
    answers = []
    for record, (confirmed, trust) in verdicts.items():
        row = int(np.searchsorted(ids, record))
        if row < len(ids) and ids[row] == record:
            answers.append(Answer(row, confirmed, min(trust, 1.0)))
    return answers


def _worth_ranking(rows: int, sure: int) -> int:
    """How many of the rows, by their order, are worth a finding."""
    return max(TOP_LEAST, int(TOP_SHARE * rows), min(sure, int(SURE_SHARE * rows)))


def _odder_than(order: Floats, odd: npt.NDArray[np.bool_]) -> Floats:
    """The share of usual records than which each is odder: (n,), in [0, 1), of records from the oddest on.

    order: (n,) falling. odd: (n,) records that are no usual ones, and so push none of the others down: where six in a
    hundred are out of place, the last of them is as odd as the first, not as one in sixteen.
    """
    many = len(order)
    as_odd = np.searchsorted(-order, -order, side="right")
    share = (many - as_odd + np.cumsum(odd)[as_odd - 1]) / many
    # Half a record's worth of doubt keeps a share below 1, and the odd ones in their order.
    return np.asarray(share - np.where(odd, (0.5 + 0.5 * np.arange(many) / many) / many, 0.0))


def _rarity(position: int, rows: int, *, learned: bool) -> Evidence:
    share = members.one_in(position, rows)
    told = "by all columns together and by what was confirmed or dismissed" if learned else "by all columns together"
    return Evidence("all columns", 0.0, f"as odd as {share} records, {told}")


def _held_out(discovery: Discovery) -> dict[str, float]:
    """How well each label is foretold by the others: auc, log_loss (bits), and held_out_gain.

    The gain is over what was expected before any label, in bits a label: it is what the gate asks for. The auc of two
    versions does not compare, for the later labels of an active learner are the harder ones.
    """
    similarity = discovery.similarity
    if not similarity.known:
        return {}
    rows, truth = similarity.answered
    if truth.all() or not truth.any():
        return {}
    expected = similarity.left_out()
    ranked = members.ranks(expected) * len(expected) + 0.5
    yes = int(truth.sum())
    auc = (ranked[truth].sum() - yes * (yes + 1) / 2) / (yes * (len(truth) - yes))
    loss = _bits(expected, truth)
    return {"auc": float(auc), "log_loss": loss, "held_out_gain": _bits(similarity.before(rows), truth) - loss}


def _bits(expected: npt.ArrayLike, truth: npt.NDArray[np.bool_]) -> float:
    """Mean surprise of the verdicts in bits."""
    chance = np.clip(expected, 0.01, 0.99)
    return float(-np.where(truth, np.log2(chance), np.log2(1 - chance)).mean())
