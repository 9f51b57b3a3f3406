"""The answers of the API as dataclasses; what a newer server adds is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """One table of one system. roles: column -> what it means."""

    id: int
    name: str
    system: str
    kind: str
    columns: list[str]
    roles: dict[str, str]


@dataclass(frozen=True)
class Job:
    """Work in the background. state: queued, running, succeeded, failed or cancelled. percent: 0 to 100."""

    id: int
    source: int
    state: str
    percent: int
    error: str
    created_at: datetime
    progress_stage: str = ""
    seconds_left: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will happen any more."""
        return self.state not in ("queued", "running")


@dataclass(frozen=True)
class Import(Job):
    """One file read into a source."""

    file_name: str = ""
    dry_run: bool = False
    rows_read: int = 0
    rows_new: int = 0
    rows_changed: int = 0
    rows_same: int = 0
    rows_quarantined: int = 0


@dataclass(frozen=True)
class Run(Job):
    """One detector looking at one source."""

    detector: str = ""
    records_seen: int = 0
    only_changes: bool = False
    changed: int | None = None
    found: int = 0
    found_new: int = 0
    withdrawn: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class Export(Job):
    """A file of a source's records."""

    form: str = ""
    scores: bool = False
    fill: bool = False
    rows: int | None = None


@dataclass(frozen=True)
class Record:
    """One row of a source, corrected. version: what a change of it must name. golden: what it was merged into."""

    id: int
    source: int
    external_id: str
    fields: dict[str, str | None]
    version: int
    golden: int | None
    updated_at: datetime


@dataclass(frozen=True)
class Finding:
    """A claim about records. action: set, merge, link or flag. subjects: ids of records. score: 0 to 1."""

    id: int
    source: int
    detector: str
    action: str
    subjects: list[int]
    proposal: dict[str, Any]
    score: float
    state: str
    evidence: list[dict[str, Any]]


@dataclass(frozen=True)
class Item:
    """A claim that a person should decide. card: what they see; only of an item that was asked for by itself."""

    id: int
    finding: int
    source: int
    detector: str
    action: str
    state: str
    score: float | None
    subjects: list[int]
    card: dict[str, Any] | None = None


@dataclass(frozen=True)
class Decision:
    """A verdict. check: set, and id None, where the card was a check of the person: nothing was written then."""

    id: int | None
    item: int
    verdict: str
    by: str | None
    at: datetime
    change_set: int | None = None
    undone_at: datetime | None = None
    check: dict[str, Any] | None = None


@dataclass(frozen=True)
class Metric:
    """One metric of a source at one time. value: 0 to 1, None where it does not apply."""

    source: int
    name: str
    value: float | None
    numerator: float
    denominator: float
    at: datetime
    low: float | None = None
    high: float | None = None
    field: str = field(default="")  # the column; "" for the source as a whole
    segment: str = ""


def read(kind: type[T], row: Mapping[str, Any]) -> T:
    """An answer as a dataclass. Raises TypeError if it lacks what every server sends."""
    given: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]
        if one.name in row:
            value = row[one.name]
            is_time = "datetime" in str(one.type) and isinstance(value, str)
            given[one.name] = datetime.fromisoformat(value) if is_time else value
    return kind(**given)
