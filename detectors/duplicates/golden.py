"""The golden record of a cluster: who survives, and what is written into the survivor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from detectors.contract import Batch, RecordId
from detectors.duplicates import preparing, survivorship
from detectors.duplicates.encoding import WORDS, encode
from detectors.duplicates.evidence import ByRow
from detectors.duplicates.survivorship import ADDRESS, Candidate, Choice, Rule
from detectors.duplicates.text import Ints
from detectors.missing_values import is_missing
from detectors.roles import Role, ValueType


@dataclass(frozen=True)
class Golden:
    """A proposed merge: the survivor, what changes in it, and the choice made for every field that differs."""

    survivor: RecordId
    changes: dict[str, str | None]
    choices: dict[str, Choice]


class Merger:
    """Makes golden records of rows of one batch; reads the batch's columns once."""

    def __init__(
        self,
        batch: Batch,
        rules: Mapping[str, Rule] | None = None,
        trusted: Sequence[str] = (),
        *,
        rows: Ints | None = None,
    ) -> None:
        """rules: column -> an admin's rule, where it is not the role's. trusted: source systems, the best first.

        rows: the only row positions that will be asked for, where they are few.
        """
        every = rows is None
        rows = np.arange(len(batch)) if rows is None else rows
        self.rules = dict(rules or {})
        self.trust = _trust(batch, trusted)
        self.roles = {str(name): batch.roles[name] for name in batch.frame.columns if name in batch.roles}
        self.ids = batch.frame.index.to_numpy(np.int64).tolist()
        self.cells: dict[str, ByRow] = {}
        self.filled = np.zeros(len(batch), np.int64)
        for name in self.roles:
            cells = _cells(batch.frame[name], None if every else rows)
            self.filled[rows] += np.fromiter((cell is not None for cell in cells), dtype=bool, count=len(cells))
            self.cells[name] = cells if every else dict(zip(rows.tolist(), cells, strict=True))
        self.updated = _updated(batch, rows)
        self.when = {
            name: _days(batch.frame[name], rows)
            for name, role in self.roles.items()
            if role.value_type is ValueType.DATE
        }
        self.address = [name for name, role in self.roles.items() if role in ADDRESS]

    def golden(self, rows: Sequence[int], *, master: RecordId | None = None) -> Golden:
        """The golden record of these row positions (at least one).

        master: the record that stays, where a person chose it.
        """
        records = [self._candidate(row, "") for row in rows]
        master = survivorship.survivor(records) if master is None else master
        own = rows[[one.record for one in records].index(master)]
        changes: dict[str, str | None] = {}
        choices: dict[str, Choice] = {}
        address = self._address(rows, records)
        for name, role in self.roles.items():
            cells = self.cells[name]
            if len({cells[row] for row in rows}) == 1:
                continue
            if name in self.address and name not in self.rules:
                choice = Choice(cells[address], Rule.MOST_RECENT, "the whole address of one record", self.ids[address])
                choice = (
                    choice
                    if choice.value is not None
                    else Choice(cells[own], Rule.KEEP_MASTER, "the survivor's own", master)
                )
            else:
                found = self.candidates(rows, name)
                choice = survivorship.choose(role, found, master, self.rules.get(name))
            choices[name] = choice
            if choice.value is not None and choice.value != cells[own]:
                changes[name] = choice.value
        return Golden(master, changes, choices)

    def candidates(self, rows: Sequence[int], name: str) -> list[Candidate]:
        """What the records at these row positions hold in a field, without those that hold nothing."""
        return [self._candidate(row, name) for row in rows if self.cells[name][row] is not None]

    def _candidate(self, row: int, name: str) -> Candidate:
        value = (self.cells[name][row] or "") if name else ""
        return Candidate(
            self.ids[row],
            value,
            int(self.updated[row]),
            int(self.filled[row]),
            int(self.trust[row]),
            int(self.when[name][row]) if name in self.when else 0,
            self._is_consent(name) and survivorship.refuses(name, value),
        )

    def _is_consent(self, name: str) -> bool:
        return self.roles.get(name) is Role.CONSENT or self.rules.get(name) is Rule.MOST_RESTRICTIVE

    def _address(self, rows: Sequence[int], records: Sequence[Candidate]) -> int:
        filled = {self.ids[row]: sum(self.cells[name][row] is not None for name in self.address) for row in rows}
        chosen = survivorship.address_record(records, filled)
        return rows[[one.record for one in records].index(chosen)]


def _cells(series: pd.Series, rows: Ints | None) -> list[str | None]:
    """Text cells, of these rows if given; None for a missing value and for text that no field may hold (NUL)."""
    whole, series = series, series if rows is None else series.iloc[rows]
    missing = is_missing(series, None if rows is None else whole).to_numpy()
    return [
        None if absent or "\0" in str(value) else str(value)
        for value, absent in zip(series.tolist(), missing, strict=True)
    ]


def _days(series: pd.Series, rows: Ints) -> np.ndarray:
    """yyyymmdd of a column of dates at these rows; 0 where there is none, and in all other rows."""
    found = np.zeros(len(series), np.int64)
    dates = preparing.dates(encode(series.iloc[rows], WORDS))
    if dates.unsure and len(rows) < len(series):  # the whole column says which is the day
        rows, dates = np.arange(len(series)), preparing.dates(encode(series, WORDS))
    numbers = dates.years * 10000 + dates.months * 100 + dates.days
    found[rows] = np.append(numbers, 0)[dates.column.codes]
    return found


def _trust(batch: Batch, trusted: Sequence[str]) -> np.ndarray:
    """Rank of each record's source system, 0 = the most trusted; those that nobody named come after all others."""
    ranks = {system.strip().casefold(): place for place, system in reversed(list(enumerate(trusted)))}
    systems = batch.text(Role.SOURCE_SYSTEM)
    if systems is None or not ranks:
        return np.zeros(len(batch), np.int64)
    return np.array([ranks.get(str(one).strip().casefold(), len(ranks)) for one in systems], np.int64)


def _updated(batch: Batch, rows: Ints) -> np.ndarray:
    """yyyymmdd of each record's last change: updated, verified or created, the latest of them."""
    latest = np.zeros(len(batch), np.int64)
    for name in batch.columns(Role.UPDATED_AT, Role.VERIFIED_AT, Role.CREATED_AT):
        latest = np.maximum(latest, _days(batch.frame[name], rows))
    return latest
