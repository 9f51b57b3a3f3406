"""What one does with an installation: bring a file in, look, decide, measure, take the records out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from crmquality_client.errors import JobFailed, TimedOut
from crmquality_client.transport import Sleep, Transport
from crmquality_client.types import Decision, Export, Finding, Import, Item, Job, Metric, Record, Run, Source, read

J = TypeVar("J", bound=Job)
PATHS: dict[type[Job], str] = {Import: "imports", Run: "runs", Export: "exports"}
POLLS = (0.3, 0.5, 1.0, 2.0, 5.0)
PAGE = 200


class Client:
    """One person at one installation; use as a context manager, or call `close`.

    address: of the pages, such as https://crm.example.com. token: as `POST /api/v1/token/` gives it.
    patience: seconds to wait for a server that says "later" (429, 503) or is away, a request.
    Every method raises ApiError (Forbidden, NotFound, Outdated), Unreachable, TimedOut.
    """

    def __init__(self, address: str, token: str, *, patience: float = 120.0, sleep: Sleep = time.sleep) -> None:
        self._transport = Transport(address, token, patience=patience, sleep=sleep)
        self._sleep = sleep

    @classmethod
    def sign_in(cls, address: str, username: str, password: str, **options: Any) -> Client:
        """A client with a new token. It replaces the person's token before, which ends."""
        given = {"username": username, "password": password}
        answer = Transport(address, **options).ask("POST", "token/", json=given)
        return cls(address, answer["token"], **options)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The token stays good: `sign_out` ends it."""
        self._transport.session.close()

    def sign_out(self) -> None:
        """End the token."""
        self._transport.ask("DELETE", "token/")

    # Sources

    def sources(self) -> Iterator[Source]:
        """Every source, newest first."""
        return (read(Source, row) for row in self._transport.pages("sources/", {"page_size": PAGE}))

    def source(self, name: str) -> Source | None:
        """The source of this name."""
        return next((one for one in self.sources() if one.name == name), None)

    def make_source(self, name: str, *, kind: str = "contacts", system: str = "default") -> Source:
        """A new source. Raises Outdated if there is one of the name."""
        given = {"name": name, "kind": kind, "system": system}
        return read(Source, self._transport.ask("POST", "sources/", json=given))

    # Imports and runs

    def upload(
        self,
        source: Source | int,
        file: str | Path,
        *,
        roles: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        dry_run: bool = False,
        complete: bool = False,
        run_after_import: bool = False,
    ) -> Import:
        """Send a file and queue its import. roles: column -> role. options: encoding, delimiter, sheet."""
        path = Path(file)
        form = {
            "source": str(_id(source)),
            "roles": json.dumps(dict(roles or {})),
            "options": json.dumps(dict(options or {})),
            **{
                name: str(value).lower()
                for name, value in {
                    "dry_run": dry_run,
                    "complete": complete,
                    "run_after_import": run_after_import,
                }.items()
            },
        }
        content = path.read_bytes()  # whole, so that it can be sent again
        return read(Import, self._transport.ask("POST", "imports/", data=form, files={"file": (path.name, content)}))

    def run(self, source: Source | int, detector: str = "", *, seed: int = 0, only_changes: bool = False) -> list[Run]:
        """Queue one detector, or all; one that is under way is given back.

        only_changes: go on from the latest run, where a detector can and few records changed; the same is found.
        """
        given = {"source": _id(source), "detector": detector, "seed": seed, "only_changes": only_changes}
        return [read(Run, row) for row in self._transport.ask("POST", "runs/", json=given, again=True)]

    def wait(self, job: J, *, progress: Callable[[J], object] | None = None, timeout: float = 3600.0) -> J:
        """The job as it ended. progress: is told of it whenever it was looked at.

        Raises JobFailed if it did not succeed, TimedOut if it is not over in time; it goes on then.
        """
        waited, looks = 0.0, 0
        while not job.is_over:
            job = self._again(job)
            if progress:
                progress(job)
            if job.is_over:
                break
            if waited >= timeout:
                raise TimedOut(f"{type(job).__name__} {job.id} is {job.state} after {timeout:g} s.")
            pause = min(POLLS[min(looks, len(POLLS) - 1)], timeout - waited)
            self._sleep(pause)
            waited, looks = waited + pause, looks + 1
        if job.state != "succeeded":
            raise JobFailed(job)
        return job

    def cancel(self, job: J) -> J:
        """Ask a job to stop. Raises Outdated if it is over."""
        return read(type(job), self._transport.ask("POST", f"{PATHS[type(job)]}/{job.id}/cancel/"))

    # What was found, and what people say

    def findings(self, **query: Any) -> Iterator[Finding]:
        """The claims, newest first, by source, detector, state, action, rule, min_score, record."""
        return (read(Finding, row) for row in self._transport.pages("findings/", _query(query)))

    def items(self, **query: Any) -> Iterator[Item]:
        """The open items, newest first, by source, detector, action, min_score, max_score ... (state for others)."""
        return (read(Item, row) for row in self._transport.pages("items/", _query({"state": "open", **query})))

    def item(self, item_id: int) -> Item:
        """One item with its card; reserves nothing."""
        return read(Item, self._transport.ask("GET", f"items/{item_id}/"))

    def next_item(self, **filters: Any) -> Item | None:
        """The next item of the queue with its card, reserved for five minutes; None if nothing is left."""
        row = self._transport.ask("POST", "items/next/", json=_plain(filters))
        return read(Item, row) if row else None

    def release(self) -> None:
        """Give back what is reserved."""
        self._transport.ask("POST", "items/release/", again=True)

    def decide(
        self,
        item: Item | int,
        verdict: str,
        *,
        changes: Mapping[str, str | None] | None = None,
        reason: str = "",
        key: str = "",
    ) -> Decision:
        """A verdict: accept, reject, edit (with changes), expected or unsure; it is applied at once.

        key: the same for the same decision, so that it is made once however often it is sent; made here if left out.
        Raises Outdated if somebody was faster, or the record changed.
        """
        given: dict[str, Any] = {"item": _id(item), "verdict": verdict, "reason": reason}
        if changes is not None:
            given["changes"] = dict(changes)
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return read(Decision, self._transport.ask("POST", "decisions/", json=given, headers=headers, again=True))

    def undo(self, decision: Decision | int) -> None:
        """Take a decision back: its values are put back, its item is open again."""
        self._transport.ask("POST", f"decisions/{_id(decision)}/undo/")

    # How good, and the records themselves

    def metrics(self, source: Source | int) -> dict[str, Metric]:
        """Name -> the newest metric of the source as a whole."""
        rows = self._transport.ask("GET", "metrics/latest/", params={"source": _id(source)})
        return {row["name"]: read(Metric, row) for row in rows}

    def records(self, **query: Any) -> Iterator[Record]:
        """The records, newest first, by source, external_id, q (text in any field), live."""
        return (read(Record, row) for row in self._transport.pages("records/", _query(query)))

    def record(self, record_id: int) -> Record:
        """One record."""
        return read(Record, self._transport.ask("GET", f"records/{record_id}/"))

    def change(self, record: Record, fields: Mapping[str, str | None], *, reason: str = "") -> Record:
        """Write values into a record as it was read. Raises Outdated if it changed since; nothing is written then."""
        given = {"fields": dict(fields), "reason": reason}
        headers = {"If-Match": f'"{record.version}"'}
        return read(Record, self._transport.ask("PATCH", f"records/{record.id}/", json=given, headers=headers))

    def export(
        self,
        source: Source | int,
        file: str | Path,
        *,
        form: str = "",
        scores: bool = False,
        fill: bool = False,
        progress: Callable[[Export], object] | None = None,
        timeout: float = 3600.0,
    ) -> Export:
        """Have the corrected records written and take the file. form: csv, xlsx, parquet, or changes for the log."""
        path = Path(file)
        given = {"source": _id(source), "form": form or path.suffix.lstrip("."), "scores": scores, "fill": fill}
        job = self.wait(
            read(Export, self._transport.ask("POST", "exports/", json=given)), progress=progress, timeout=timeout
        )
        beside = path.with_name(f".{path.name}.part")
        try:
            with (
                self._transport.send("GET", f"exports/{job.id}/file/", stream=True) as answer,
                beside.open("wb") as out,
            ):
                for piece in answer.iter_content(2**16):
                    out.write(piece)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return job

    def _again(self, job: J) -> J:
        return read(type(job), self._transport.ask("GET", f"{PATHS[type(job)]}/{job.id}/"))


def _id(thing: Any) -> int:
    return int(thing if isinstance(thing, int) else thing.id)


def _plain(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "id", value) for name, value in query.items() if value is not None}


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    """As a query string says it."""
    plain = {"page_size": PAGE, **_plain(query)}
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in plain.items()}
