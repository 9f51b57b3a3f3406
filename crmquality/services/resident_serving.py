"""The process of the resident index: a unix socket that answers questions, and a thread that follows the changes."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import DatabaseError, close_old_connections, connections

from crmquality.giving_way import thread_gives_way
from crmquality.services.resident_keeping import Keeper, Unknown
from crmquality.services.resident_places import Places

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.25
STALE = 120.0
"""Seconds without a look at the database from which no answer is given: it might be of long ago."""
LONGEST_QUESTION = 1 << 20


class AlreadyRuns(Exception):
    """Another process listens at this socket."""


def answer(keeper: Keeper, question: dict[str, Any], places: Places) -> dict[str, Any]:
    """The answer to one question, as JSON has it; {"error": why} if there is none."""
    if question.get("do") == "correct":
        try:
            return {"corrections": places.corrections(question["roles"], question["values"])}
        except Unknown as error:
            return {"error": str(error)}
    if question.get("do") == "complete":
        try:
            most = min(int(question["most"]), 10)
            return {"completions": keeper.complete(question["values"], source=question["source"], most=most)}
        except Unknown as error:
            return {"error": str(error)}
    behind = None if keeper.looked is None else time.monotonic() - keeper.looked
    if question.get("do") == "status":
        return {"sources": keeper.status(), "behind": behind}
    if behind is not None and behind > STALE:
        return {"error": "The index of records cannot follow the changes: see its log."}
    try:
        if question.get("do") == "related":
            related = keeper.related(question["record"], source=question["source"], limit=question["limit"])
            return {"related": related}
        found = keeper.find(
            question["entity"],
            question["values"],
            source=question.get("source"),
            limit=min(int(question.get("limit", 5)), 100),
            least=float(question.get("least", 0.05)),
            without=question.get("without"),
            others=bool(question.get("others")),
        )
    except Unknown as error:
        return {"error": str(error)}
    return {
        "matches": [
            {
                "record": match.record,
                "source": source,
                "probability": match.probability,
                "reasons": [asdict(reason) for reason in match.evidence],
            }
            for source, match in found
        ]
    }


class _Handler(socketserver.StreamRequestHandler):
    """One connection: a line of JSON in, a line of JSON out, until it ends."""

    server: _Server

    def handle(self) -> None:
        self.server.lines.add(self.connection)
        try:
            self._answer()
        finally:
            self.server.lines.discard(self.connection)

    def _answer(self) -> None:
        while line := self.rfile.readline(LONGEST_QUESTION):
            try:
                said = answer(self.server.keeper, json.loads(line), self.server.places)
            except Exception as error:  # a bad question must not end the process, nor be quoted in its log
                logger.error("a question failed: %s", type(error).__name__)
                said = {"error": "The index of records failed: see its log."}
            with suppress(OSError):
                self.wfile.write(json.dumps(said).encode() + b"\n")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    keeper: Keeper
    places: Places
    lines: set[socket.socket]


@contextmanager
def listening(path: Path, keeper: Keeper, places: Places | None = None) -> Iterator[None]:
    """Answers from a keeper at a socket while the block runs. Raises AlreadyRuns."""
    _clear(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _Server(str(path), _Handler) as server:
        path.chmod(0o600)
        server.keeper, server.places, server.lines = keeper, places or Places(), set()
        threading.Thread(target=server.serve_forever, name="answers", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            for line in list(server.lines):
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            path.unlink(missing_ok=True)


def serve(path: Path, *, ready: Callable[[], None] = lambda: None, until: threading.Event | None = None) -> None:
    """Answer at a socket, and follow the changes, until told to stop. Raises AlreadyRuns."""
    until = until or threading.Event()
    sys.setswitchinterval(0.001)  # building an index must not hold up an answer
    keeper, places = Keeper(), Places()
    with listening(path, keeper, places):
        threading.Thread(target=places.read, name="gazetteers", daemon=True).start()
        follower = threading.Thread(target=_follow, args=(keeper, until), name="follower", daemon=True)
        follower.start()
        ready()
        until.wait()
        follower.join(timeout=10)


def _follow(keeper: Keeper, until: threading.Event) -> None:
    thread_gives_way()
    try:
        while not until.is_set():
            close_old_connections()
            try:
                keeper.tend()
            except DatabaseError as error:
                logger.warning("the database is away: %s", type(error).__name__)
                until.wait(2)
            except Exception as error:
                logger.exception("the index cannot follow the changes: %s", type(error).__name__)
                until.wait(5)
            until.wait(LOOK_EVERY)
    finally:
        connections.close_all()


def _clear(path: Path) -> None:
    """Remove the socket of a process that is gone."""
    if not path.exists():
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.settimeout(2)
        probe.connect(str(path))
    except OSError:
        path.unlink(missing_ok=True)
    else:
        raise AlreadyRuns(str(path))
    finally:
        probe.close()
