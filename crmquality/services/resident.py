"""Records like one that is being entered: asks the resident index, a process of its own (`manage.py resident`).

`find_like` answers in milliseconds, or raises `NotReady`: the process may not run, or may still be reading the records.
The rest of the product works without it.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings

from crmquality.embedded import sockets
from crmquality.models import Record, Source
from crmquality.services.errors import Refused
from detectors.contract import Evidence
from detectors.roles import Role

Entity = Literal["people", "organisations"]
Values = Mapping[str, str | Sequence[str] | None]

ADDRESS = frozenset({Role.ADDRESS, Role.STREET, Role.CITY, Role.REGION, Role.POSTCODE, Role.COUNTRY})
"""The parts of an address that are held against the gazetteers."""
_COUNTRY = "\0country"
PATIENCE = 2.0
"""Seconds to wait for an answer."""
LONGEST_ANSWER = 16 * 2**20


class NotReady(Refused):
    """The index cannot answer now; the message says why, for the person who asked."""


@dataclass(frozen=True)
class Like:
    """A record that may be the one asked about.

    probability: that both are one person or organisation, as a run would score the pair. reasons: evidence in bits and
    words; their details quote values of both records, so mask them by the reader's role.
    """

    record: int
    source: int
    probability: float
    reasons: tuple[Evidence, ...]


def find_like(
    entity: Entity | None,
    values: Values,
    *,
    source: Source | None = None,
    others: bool = False,
    limit: int = 5,
    least: float = 0.05,
    without: int | None = None,
) -> list[Like]:
    """The live records most likely to be about the same person or organisation, the likeliest first.

    entity: None, with a source, for what the values say: a name of a person, or none.
    values: column -> text of this source; without a source, role -> text (or texts: two telephones), and the records of
        all sources are searched.
    others: with a source, search those of the others too, as far as they are ready.
    least: probability from which a record is named. without: a record that is not to be named.
    Whether the reader may see these records is for the caller to ask.

    Raises NotReady if the index does not run, or has not read these records yet.
    """
    question: dict[str, Any] = {"do": "find", "entity": entity, "values": dict(values), "limit": limit}
    question |= {"source": source.pk if source else None, "others": others, "least": least, "without": without}
    found = _ask(question)["matches"]
    return [
        Like(one["record"], one["source"], one["probability"], tuple(_evidence(reason) for reason in one["reasons"]))
        for one in found
    ]


@dataclass(frozen=True)
class Related:
    """A record of one household, office or group with another: not a copy of it. kind: the relation in words."""

    record: int
    source: int
    kind: str
    probability: float


def related(record: Record, *, limit: int = 20) -> list[Related]:
    """The live records that are related to this one without being it, of all sources, the likeliest first.

    Whether the reader may see them is for the caller to ask. Raises NotReady.
    """
    question = {"do": "related", "record": record.pk, "source": record.source_id, "limit": limit}
    return [Related(other, source, kind, chance) for source, other, kind, chance in _ask(question)["related"]]


@dataclass(frozen=True)
class Correction:
    """A part of an address that should be another: of a blank one, what it should be.

    probability: that the value is right, calibrated. words: why, quoting values of the record.
    """

    column: str
    value: str
    probability: float
    words: str


def corrections(source: Source, values: Mapping[str, str | None]) -> list[Correction]:
    """What the gazetteers say of the address among the values of one record, the surest first.

    They are held by that process, since they take a second to read and 200 MB; those that are asked over HTTP are not
    asked here. Raises NotReady if it does not run, or is still reading them.
    """
    roles = {name: role.value for name, role in source.column_roles.items() if role in ADDRESS}
    known = {name: values[name] for name in roles if values.get(name)}
    if not known:
        return []
    if source.country and not any(roles[name] == Role.COUNTRY for name in known):
        roles, known = {_COUNTRY: Role.COUNTRY.value, **roles}, {_COUNTRY: source.country, **known}
    return [Correction(**one) for one in _ask({"do": "correct", "roles": roles, "values": known})["corrections"]]


def completions(source: Source, values: Mapping[str, str | None], *, most: int) -> dict[str, list[str]]:
    """Column -> values that many records of the source hold and that begin as this one, the most frequent first.

    Which columns a reader may be offered is for the caller to ask. Raises NotReady.
    """
    known = {name: value for name, value in values.items() if value}
    if not known:
        return {}
    found: dict[str, list[str]] = _ask({"do": "complete", "source": source.pk, "values": known, "most": most})[
        "completions"
    ]
    return found


def status() -> dict[str, Any]:
    """What the index holds: {"sources": [{source, state, records, entities, why}], "behind": seconds}.

    behind: how long ago it last looked for changes; None while it never did. Raises NotReady if it does not run.
    """
    return _ask({"do": "status"})


def socket_path() -> Path:
    """Where the index listens: beside the sockets of the embedded servers."""
    return sockets(settings.HOME) / "resident.sock"


def _evidence(plain: Mapping[str, Any]) -> Evidence:
    return Evidence(plain["feature"], plain["weight"], plain["detail"], tuple(plain["fields"]))


class _Line(threading.local):
    """A connection a thread, kept open."""

    def __init__(self) -> None:
        self.stream: Any = None

    def ask(self, question: bytes) -> bytes:
        """The answer to one question. Raises OSError if nobody answers."""
        if self.stream is None:
            self.stream = self._connect()
        try:
            self.stream.write(question)
            self.stream.flush()
            answer: bytes = self.stream.readline(LONGEST_ANSWER)
        except OSError:
            self.close()
            raise
        if not answer.endswith(b"\n"):
            self.close()
            raise ConnectionError("the index went away")
        return answer

    def close(self) -> None:
        """Forget the connection."""
        if self.stream is not None:
            with suppress(OSError):
                self.stream.close()
        self.stream = None

    def _connect(self) -> Any:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(PATIENCE)
            line.connect(str(socket_path()))
            return line.makefile("rwb")
        finally:
            line.close()  # the stream holds it open


_line = _Line()


def _ask(question: Mapping[str, Any]) -> dict[str, Any]:
    sent = json.dumps(question).encode() + b"\n"
    for last in (False, True):
        fresh = _line.stream is None
        try:
            answer: dict[str, Any] = json.loads(_line.ask(sent))
        except TimeoutError as error:
            raise NotReady("The index of records did not answer in time.") from error
        except (OSError, ValueError) as error:
            if last or fresh:  # a kept connection may have died with the process before this one
                raise NotReady("The index of records does not run: it is started by `manage.py serve`.") from error
        else:
            if "error" in answer:
                raise NotReady(answer["error"])
            return answer
    raise AssertionError("unreachable")
