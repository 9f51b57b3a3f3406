"""The contract every connector keeps, built-in and third-party alike.

A connector is of one of two kinds. A `TableConnector` (`crmquality.connectors.tables`) reads a table from a file. A
`SystemConnector` connects to a system that people work in: it describes what is there, pulls what changed, and writes
back what was corrected.

A connector knows nothing of records, reviews or settings of ours. It never decides whether a write may be done: that is
`crmquality.connectors.delivering`, which compares before it writes and reads back afterwards, and the outbox, which
waits, retries and counts. All values are text, as a person would read them in the system; None is blank.

`crmquality.connectors.testing` ships this contract as tests. Third parties register a connector through the
entry-point group `crmquality.connectors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Self

import polars as pl

from crmquality.connectors.faults import Invalid
from crmquality.connectors.settings import Setting
from detectors.roles import Role

Values = Mapping[str, str | None]
"""Field name -> its text; None is blank."""

Pair = tuple[str | None, str | None]
"""What a field must hold now, and what it shall hold."""


# What is there


class FieldKind(StrEnum):
    """What a field holds in the system; here it is text all the same."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    FLAG = "flag"
    CHOICE = "choice"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field of an object.

    name: as the system calls it; the name of the column it becomes. label: as a person there reads it.
    writable: False for what the system computes or forbids to change. required: it may not be blank.
    length: the most characters it holds; None if unbounded or unknown.
    choices: the values it may hold, where they are few and fixed.
    refers_to: name of the object whose key it holds.
    role: what it means, where the connector knows; else it is guessed from name and contents.
    """

    name: str
    label: str = ""
    kind: FieldKind = FieldKind.TEXT
    writable: bool = True
    required: bool = False
    length: int | None = None
    choices: tuple[str, ...] = ()
    refers_to: str = ""
    role: Role | None = None


class Merging(StrEnum):
    """How records of an object become one."""

    NATIVE = "native"
    EMULATED = "emulated"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One kind of record that the system holds.

    kind: what it is here (contacts, accounts, leads, opportunities ...); "" if the connector cannot tell.
    fields: the key first.
    incremental: whether `pull` with a cursor gives only what changed since. Where not, it gives everything.
    tells_deleted: whether `pull` tells of rows deleted since; where not, only a pull of everything shows them.
    merging, merge_at_most, unmerge: how rows are merged, how many in one call (None: any number), and whether that can
        be taken back.
    inactive_field: field -> value that takes a row out of use; needed for emulated merging, which cannot be undone
        by deleting.
    """

    name: str
    label: str
    fields: tuple[FieldType, ...]
    kind: str = ""
    incremental: bool = True
    tells_deleted: bool = False
    writable: bool = True
    merging: Merging = Merging.NONE
    merge_at_most: int | None = None
    unmerge: bool = True
    inactive_field: tuple[str, str] | None = None

    @property
    def key(self) -> str:
        """The field that identifies a row."""
        return self.fields[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its fields."""
        return tuple(one.name for one in self.fields)

    def field(self, name: str) -> FieldType:
        """A field by name. Raises KeyError."""
        return next((one for one in self.fields if one.name == name), None) or _absent(name)


def _absent(name: str) -> FieldType:
    raise KeyError(name)


# Reading


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the system holds it now.

    version: changes whenever the row does; opaque. `calls` gives it back to the system, which refuses a stale one.
    inactive: archived, deactivated or merged away; still there.
    """

    id: str
    version: str
    values: Values
    inactive: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a pull.

    frame: a row a row, every column String, blank cells null; the columns asked for, the key first. A key stands in
        it once; where a later page holds it again, the later one counts.
    inactive: keys of rows of this page that are not in use.
    deleted: keys of rows that are there no more.
    cursor: a pull since it gives what this page and those before it did not: the rest of this pull after a page in the
        middle, later changes after the last one. Some rows may come again.
    total: how many rows the whole pull has, as far as is known; 0 if not.
    skipped: part of the system that could not be read -> why. Rows of it are missing, not gone.
    """

    frame: pl.DataFrame
    cursor: str
    inactive: Sequence[str] = ()
    deleted: Sequence[str] = ()
    total: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Row], columns: Sequence[str], cursor: str, **more: Any) -> Self:
        """A page from rows, for systems that give them one by one; deleted keys and the like as `more`."""
        cells = [[row.values.get(name) or None for name in columns] for row in rows]
        frame = pl.DataFrame(cells, dict.fromkeys(columns, pl.String), orient="row")
        return cls(frame, cursor, inactive=[row.id for row in rows if row.inactive], **more)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many calls the system allows, and how many were made, as it last said."""

    limit: int
    used: int
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """What a webhook says has changed; never believed, only a reason to read again. id: "" if it does not say."""

    object: str
    id: str = ""


# Writing


@dataclass(frozen=True, slots=True)
class Write:
    """Values to be written into one row: field -> (what it must hold now, what it shall hold).

    insist: a person has seen what the system warned of, and wants it all the same.
    """

    object: str
    id: str
    values: Mapping[str, Pair]
    insist: bool = False

    def reversed(self) -> Write:
        """What puts back what this wrote."""
        return Write(self.object, self.id, {name: (after, before) for name, (before, after) in self.values.items()})


@dataclass(frozen=True, slots=True)
class Act:
    """Something a system does that is no writing of values: merging in one call, bringing back what was deleted.

    name: the connector's own word. id: the row that it is about. arguments: what else the call needs; plain JSON.
    """

    name: str
    object: str
    id: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Step = Write | Act


@dataclass(frozen=True, slots=True)
class Merge:
    """Rows to become one: the survivor takes `values`, whatever refers to a loser then refers to the survivor."""

    object: str
    survivor: str
    losers: tuple[str, ...]
    values: Mapping[str, Pair] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """How something is done, step by step, and how it is taken back: made before the first step, from what stood then.

    It is kept while it is carried out. Whoever carries it out again after a failure goes through the same steps, of
    which those already done are passed over; that is what makes it safe to repeat.
    undo: steps in their order. irreversible: why it cannot be taken back; "" if it can.
    """

    steps: tuple[Step, ...]
    undo: tuple[Step, ...] = ()
    irreversible: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that changes something, as it will be sent, for people to read and for `System.send`.

    method, address: "PATCH /contacts/12", "UPDATE contacts", "model.party.party.write". body: plain JSON values.
    """

    method: str
    address: str
    body: Any = None


# Connecting


def _free() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Line:
    """What the product lends a connection.

    spend: call it before every request, reading or writing: it counts them, and raises `QuotaSpent` where no more may
        be made today. timeout: seconds after which a request that got no answer is given up.
    """

    spend: Callable[[], None] = _free
    timeout: float = 30.0


class System(ABC):
    """An open connection to a system; used by one thread, closed by `close` or at the end of a `with`.

    Every method may raise a `SystemFault`: `Unreachable`, `Throttled`, `Denied`, and what it names besides.
    """

    @abstractmethod
    def check(self) -> str:
        """Whether it answers and the login is good: who we are there, and which version it is, in a sentence."""

    @abstractmethod
    def describe(self) -> Sequence[ObjectType]:
        """The objects that can be pulled. Asked for once a connection; may be kept."""

    @abstractmethod
    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        """Rows of an object, inactive ones too, page by page: all, or what changed since a cursor. At least one page.

        fields: names of fields, the key first. since: a cursor of an earlier page; None for everything.
        """

    @abstractmethod
    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Rows by key with all fields, inactive ones too; those that are not there are left out. Any number of ids."""

    @abstractmethod
    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        """The exact requests that do this step to the row as it stands, sending none and reading nothing.

        Each carries the row's version where the system can compare it. Raises Invalid for a value that does not fit.
        """

    @abstractmethod
    def send(self, call: Call, *, key: str) -> None:
        """Send one request of `calls`. key: of ASCII letters, the same for the same request sent again; handed on where
        it is understood.

        Raises Stale if the row is no longer of the version the call carries (nothing was written), Gone, Invalid if
        the system refuses the values, NeedsPerson if it warns first.
        """

    def plan_merge(self, merge: Merge) -> Plan:
        """How rows are merged, as they stand now; reads, writes nothing. Raises Invalid where that cannot be done.

        This one emulates: values of the survivor, then every reference to a loser, then the losers out of use.
        """
        return emulated_merge(self, merge)

    def referring(self, name: str, field: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Key -> what it refers to, of all rows of an object whose field holds one of these keys. For emulated merging.

        Raises Invalid if the system cannot look that up.
        """
        raise Invalid(f"{name}: what refers by {field!r} cannot be looked up.")

    def acted(self, act: Act) -> bool:
        """Whether an act of this connector has been done already. Needed by connectors that plan acts."""
        raise Invalid(f"There is no act {act.name!r}.")

    def quota(self) -> Quota | None:
        """What the system said of its quota with its last answer; None if it said nothing."""
        return None

    def close(self) -> None:  # noqa: B027 - most need nothing
        """Give back what the connection holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Connector(ABC):
    """A kind of place where records are.

    name: as it is registered. title: as a person reads it.
    """

    name: ClassVar[str]
    title: ClassVar[str]


class SystemConnector(Connector):
    """A kind of system that can be connected.

    settings: what a person fills in to connect. hears: whether it understands webhooks of the system.
    """

    settings: ClassVar[tuple[Setting, ...]]
    hears: ClassVar[bool] = False

    @abstractmethod
    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> System:
        """Open a connection, perhaps lazily. settings: checked by `crmquality.connectors.settings.read`.

        Raises Invalid if they do not fit together, Unreachable or Denied if it tries them.
        """

    def hear(
        self, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str], *, address: str
    ) -> Sequence[Hint]:
        """What a webhook of the system says has changed, once its signature is checked.

        headers: their names in small letters. address: the URL that was posted to, as the system knows it.
        Raises Denied if it is not signed with our secret, Invalid if it is no
        webhook of this system.
        """
        raise Invalid(f"{self.title} sends no webhooks that this connector understands.")


def emulated_merge(system: System, merge: Merge) -> Plan:
    """A merge by plain writes, for systems without one of their own; can be taken back field by field.

    Raises Invalid if the object names no field that takes a row out of use, or a loser is out of use already.
    """
    objects = {one.name: one for one in system.describe()}
    about = objects[merge.object]
    if about.inactive_field is None:
        raise Invalid(f"{about.label}: rows cannot be taken out of use, so they cannot be merged.")
    name, out_of_use = about.inactive_field
    rows = system.get(merge.object, merge.losers)
    steps: list[Write] = []
    if merge.values:
        steps.append(Write(merge.object, merge.survivor, merge.values))
    for one in objects.values():
        for reference in one.fields:
            if reference.refers_to == merge.object and reference.writable:
                found = system.referring(one.name, reference.name, merge.losers)
                steps += [
                    Write(one.name, key, {reference.name: (loser, merge.survivor)})
                    for key, loser in sorted(found.items())
                    if (one.name, key) != (merge.object, merge.survivor)
                ]
    for loser in merge.losers:
        if loser not in rows or rows[loser].inactive:
            raise Invalid(f"{about.label} {loser} is not in use any more.")
        steps.append(Write(merge.object, loser, {name: (rows[loser].values.get(name), out_of_use)}))
    return Plan(tuple(steps), tuple(step.reversed() for step in reversed(steps)))
