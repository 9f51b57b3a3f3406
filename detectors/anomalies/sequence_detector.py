"""Flags process rows (opportunity, quotation, order ...) that do not follow from the rows before them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies.sequence_features import DEAL_ROLES, GAP, Process, process_of, undo_signed_log
from detectors.anomalies.sequence_judging import FILE as MODEL_FILE
from detectors.anomalies.sequence_judging import Judgement, SequenceModel, fit_model
from detectors.anomalies.sequence_levels import RECENT
from detectors.contract import (
    Batch,
    Evidence,
    Finding,
    Flag,
    Label,
    ModelFileError,
    RunContext,
    TrainableDetector,
)
from detectors.roles import ValueType

LEAST_ROWS = 200
"""Dated rows below which an order is no history: nothing is found."""

NETWORK_ROWS = 2000
"""Dated rows from which a network is tried; below, it has too little to learn from and torch stays unloaded."""

RULE = "sequence-"
"""Rules are this and the role of the chief reason's column, or "gap", or "level" for a lasting shift."""

WORTH_RANKING = 2.0
"""-log10 of the share of held-out rows as odd: one row in a hundred and rarer is yielded."""

_BITS = float(np.log2(10))
_REASONS = 3
_MOST_CHARACTERS = 60
_FORMAT = "crmquality sequences 1"
_SETTINGS = "sequences.json"


class SequenceDetector(TrainableDetector):
    """Finds rows that are odd where they stand: a stage skipped, an order before its quotation, a stalled deal.

    A customer whose numbers have drifted from their own level is found too.

    Rows are put in time order within a customer (or the source). Three judges are tried, the control (no
    model), a linear forecast and, from 2,000 rows, a convolutional network; a judge is used only where it
    beats the simpler ones on anomalies planted in the source's own rows.

    score: r / (r + 2), r = -log10 of the share of rows as odd: .5 is one in 100, .6 one in 1,000.
    Evidence weights are bits and sum to log2 of one over that share.
    """

    name = "sequences"
    version = "2"

    def __init__(self, *, network: str = "cnn") -> None:
        """network: "cnn", "lstm", or "" for none."""
        self._network = network
        self._model: SequenceModel | None = None
        self._rejected: Mapping[str, float] = {}

    def detect(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """Flags, the rows one in a hundred or rarer; none where fewer than 200 rows have a date or none is a deal."""
        context.report(0, 3, "putting rows in order")
        process = process_of(batch) if batch.columns(*DEAL_ROLES) else None
        if process is None or len(process) < LEAST_ROWS:
            return
        model = self._model or self._fitted(process, context)
        if model is None:
            return
        context.report(2, 3, "judging")
        rows = model.encoding.encode(process)
        judged = model.judge(rows, process.starts)
        reader = _Reader(process, model, judged)
        for row in _worth_ranking(judged, process.starts):
            evidence, rule = reader.reasons(row)
            subject = (int(process.ids[row]),)
            yield Finding(subject, Flag(), self._score(evidence, rule), evidence, rule)
        context.report(3, 3, "done")

    def _fitted(self, process: Process, context: RunContext) -> SequenceModel | None:
        large = len(process) >= NETWORK_ROWS and self._network
        members = ("control", "linear", self._network) if large else ("control", "linear")
        return fit_model(process, members, seed=context.seed, device=context.device, report=context.report)

    def fit(self, batch: Batch, labels: Sequence[Label], context: RunContext) -> Self:
        """A detector that keeps the model fitted on this batch, and what the labels say of its reasons."""
        process = process_of(batch)
        fitted = type(self)(network=self._network)
        if process is not None and len(process) >= LEAST_ROWS:
            fitted._model = self._fitted(process, context)
        return fitted.reweight(labels)

    def reweight(self, labels: Sequence[Label]) -> Self:
        """A detector that ranks lower what stewards reject: by the column that was the chief reason.

        The share of rejections a column is shrunk towards none by two imagined confirmations.
        """
        changed = type(self)(network=self._network)
        changed._model = self._model
        votes: dict[str, list[float]] = {}
        for label in labels:
            if label.finding.rule:
                tally = votes.setdefault(label.finding.rule, [0.0, 2.0])
                tally[0] += 0.0 if label.is_defect else label.weight
                tally[1] += label.weight
        shares = {rule: rejected / total for rule, (rejected, total) in votes.items()}
        changed._rejected = {**self._rejected, **shares}
        return changed

    def rescore(self, findings: Sequence[Finding]) -> list[float]:
        """The findings' scores under today's labels; another detector's keep theirs."""
        return [
            self._score(finding.evidence, finding.rule) if finding.rule.startswith(RULE) else finding.score
            for finding in findings
        ]

    def _score(self, evidence: Sequence[Evidence], rule: str) -> float:
        rarity = max(0.0, sum(reason.weight for reason in evidence) / _BITS)
        return rarity / (rarity + 2.0) * (1.0 - 0.5 * self._rejected.get(rule, 0.0))

    def metrics(self) -> Mapping[str, float]:
        """Average precision on planted anomalies, of each judge tried: "planted_ap_control" and so on."""
        if self._model is None:
            return {}
        return {f"planted_ap_{name}": value for name, value in self._model.quality.items()}

    def save(self, directory: Path) -> None:
        """Write the settings, and the model with its digest, into the empty directory."""
        if self._model is not None:
            self._model.save(directory)
        settings = {
            "format": _FORMAT,
            "network": self._network,
            "rejected": dict(self._rejected),
            "model": None if self._model is None else _digest(directory / MODEL_FILE),
        }
        (directory / _SETTINGS).write_text(json.dumps(settings), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote. Raises ModelFileError if it is damaged, foreign or of another format."""
        try:
            settings = json.loads((directory / _SETTINGS).read_text(encoding="utf-8"))
            if settings["format"] != _FORMAT:
                raise ModelFileError(f"{_SETTINGS} is of format {settings['format']!r}; this code reads {_FORMAT!r}")
            loaded = cls(network=str(settings["network"]))
            loaded._rejected = {str(rule): float(share) for rule, share in settings["rejected"].items()}
            if settings["model"] is not None and settings["model"] != _digest(directory / MODEL_FILE):
                raise ModelFileError(f"{MODEL_FILE} is not the file that was saved: its digest differs")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"{_SETTINGS} is damaged or not a sequence detector: {error}") from error
        if settings["model"] is not None:
            loaded._model = SequenceModel.load(directory)
        return loaded


def _worth_ranking(judged: Judgement, starts: npt.NDArray[np.bool_]) -> list[int]:
    """The rare rows; of each lasting shift only the one at its height, for its rows make one claim, not twenty."""
    rare = judged.rarity >= WORTH_RANKING
    shifted = rare & judged.by_level
    kept = np.flatnonzero(rare & ~shifted).tolist()
    rows = np.flatnonzero(shifted)
    if len(rows):
        customer = np.cumsum(starts)[rows]
        breaks = np.flatnonzero((np.diff(rows) > RECENT) | (np.diff(customer) != 0)) + 1
        kept += [int(part[judged.level[part].argmax()]) for part in np.split(rows, breaks)]
    return sorted(kept)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Reader:
    """Puts a judgement into a steward's words."""

    def __init__(self, process: Process, model: SequenceModel, judged: Judgement) -> None:
        self._process, self._encoding, self._levels, self._judged = process, model.encoding, model.levels, judged
        self._has_customers = bool(process.starts[1:].any())
        self._blocks = dict(zip(model.encoding.levels, model.encoding.blocks(), strict=True))
        self._has_memory = model.member.name != "control"

    def _basis(self, row: int) -> str:
        if self._has_memory and not self._process.starts[row]:
            return "after the rows before it"
        return "of a first row" if self._has_memory else "in this source"

    def reasons(self, row: int) -> tuple[tuple[Evidence, ...], str]:
        """The columns that make the row odd, weights in bits that sum to its rarity; and the rule."""
        if self._judged.by_level[row]:
            return self._shift(row)
        shares = self._judged.shares[row]
        chief = [int(column) for column in np.argsort(-shares, kind="stable")[:_REASONS]]
        chief = [column for column in chief if shares[column] >= 0.1 * shares[chief[0]]]
        bits = float(self._judged.rarity[row]) * _BITS
        total = float(shares[chief].sum())
        evidence = tuple(self._evidence(row, column, bits * float(shares[column]) / total) for column in chief)
        role = self._process.roles.get(self._encoding.columns[chief[0]])
        return evidence, RULE + ("gap" if role is None or role.value_type is ValueType.DATE else role.value)

    def _shift(self, row: int) -> tuple[tuple[Evidence, ...], str]:
        shifts = self._judged.shifts
        column = self._levels.column(shifts, row)
        name = self._encoding.columns[column]
        recent, before = (
            float(undo_signed_log(side[row, column : column + 1])[0]) for side in (shifts.recent, shifts.before)
        )
        whose = "this customer's" if self._has_customers else "the source's"
        detail = f"{name} averages {recent:,.4g} over the last {RECENT} rows; {whose} rows before average {before:,.4g}"
        bits = float(self._judged.rarity[row]) * _BITS
        return (Evidence(f"level of {name}", bits, detail, (name,)),), f"{RULE}level"

    def _evidence(self, row: int, column: int, bits: float) -> Evidence:
        name = self._encoding.columns[column]
        if name in self._encoding.levels:
            return Evidence(name, bits, self._category(row, name), (name,))
        expected = float(undo_signed_log(self._judged.expected[row, column : column + 1])[0])
        if name in self._encoding.numbers:
            seen = self._cell(row, name)
            detail = f"{name} is {seen}; about {expected:,.4g} was expected {self._basis(row)}"
            return Evidence(name, bits, detail, (name,))
        days = self._process.days[row] if name == GAP else self._other_date(row, name)
        what = "the row before" if name == GAP else f"{name} to {self._process.dated_by}"
        seen = f"{days:,.4g} days" if np.isfinite(days) else "no date"
        detail = f"{what}: {seen}; about {expected:,.4g} days was expected {self._basis(row)}"
        return Evidence(name, bits, detail, (self._process.dated_by if name == GAP else name,))

    def _category(self, row: int, name: str) -> str:
        block, levels = self._blocks[name], self._encoding.levels[name]
        expected = np.clip(self._judged.expected[row, block], 0.0, 1.0)
        likely = levels[int(np.argmax(expected))]
        seen = self._cell(row, name)
        before = "" if self._process.starts[row] else f" (before it: {self._cell(row - 1, name)})"
        share = f"{expected.max():.0%} of the time"
        return f"{name} is {seen}{before}; {likely!r} was expected most {self._basis(row)}, {share}"

    def _cell(self, row: int, name: str) -> str:
        cell = self._process.frame.iloc[row][name] if name in self._process.frame.columns else None
        return repr(str(cell)[:_MOST_CHARACTERS]) if pd.notna(cell) else "blank"

    def _other_date(self, row: int, name: str) -> float:
        dates = self._process.dates
        return float(dates[name][row] - dates[self._process.dated_by][row]) if name in dates else float("nan")
