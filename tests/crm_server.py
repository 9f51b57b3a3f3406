"""A small CRM over HTTP, for tests: a real server on this machine that fails when it is told to.

GET /contacts?after=&since=&limit= · GET /contacts?ids=1,2 · PATCH /contacts/1 (If-Match, Idempotency-Key). Every write
counts the row's version up, so that a write done twice shows. Failures come before the write is done, after it was done
(the answer is lost), or as 429.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "let-me-in"


@dataclass
class Crm:
    """Its rows and its moods.

    fail_every: every so manieth request fails; 0 for none. how: in which ways, one after the other ("after": the write
    is done, but the answer is lost; reading knows only the other two). daily: calls it allows, 0 for any number.
    refuses: key of a row that it will not write.
    """

    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    fail_every: int = 0
    how: tuple[str, ...] = ("after", "before", "throttled")
    daily: int = 0
    clock: int = 0
    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    most_in_flight: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    address: str = ""
    refuses: str = ""

    def add(self, about: str, key: str, **values: str | None) -> None:
        """A row."""
        with self.lock:
            self.clock += 1
            rows = self.objects.setdefault(about, {})
            rows[key] = {"values": values, "version": 1, "changed": self.clock, "active": True}

    def edit(self, about: str, key: str, **values: Any) -> None:
        """What somebody changes in the CRM itself."""
        with self.lock:
            self.clock += 1
            row = self.objects[about][key]
            row["active"] = values.pop("active", row["active"])
            row["values"] |= values
            row["version"] += 1
            row["changed"] = self.clock

    def mood(self, *, writing: bool) -> str:
        """What happens to a request: "ok", "before", "after" or "throttled"."""
        with self.lock:
            self.calls += 1
            if self.daily and self.calls > self.daily:
                return "throttled"
            if not self.fail_every or self.calls % self.fail_every:
                return "ok"
            ways = self.how if writing else [way for way in self.how if way != "after"]
            found = ways[sum(self.outcomes.values()) % len(ways)]
            self.outcomes[found] += 1
            return found


class _Handler(BaseHTTPRequestHandler):
    crm: Crm
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._known():
            return
        mood = self.crm.mood(writing=False)
        if mood != "ok":
            self._answer(429 if mood == "throttled" else 503, {})
            return
        parts = urlsplit(self.path)
        if parts.path == "/":
            self._answer(200, {"name": "Little CRM", "version": "1", "objects": self._described()})
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.crm.lock:
            rows = self.crm.objects.get(parts.path.strip("/"))
            if rows is None:
                self._answer(404, {})
                return
            self._answer(200, self._selected(rows, query))

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._known():
            return
        mood = self.crm.mood(writing=True)
        if mood in ("before", "throttled"):
            self._answer(429 if mood == "throttled" else 503, {})
            return
        name, key = self.path.strip("/").split("/")
        with self.crm.lock:
            self.crm.in_flight[key] += 1
            self.crm.most_in_flight = max(self.crm.most_in_flight, self.crm.in_flight[key])
        status = self._write(name, key, body)
        with self.crm.lock:
            self.crm.in_flight[key] -= 1
        self._answer(502 if mood == "after" and status == 200 else status, {})

    def _write(self, name: str, key: str, body: dict[str, Any]) -> int:
        with self.crm.lock:
            row = self.crm.objects[name].get(key)
            if row is None:
                return 404
            if self.headers["If-Match"] != f'"{row["version"]}"':
                return 412
            if key == self.crm.refuses or "refused" in body.values():
                return 422
            self.crm.edit(name, key, **body)
            self.crm.writes[key] += 1
            return 200

    def _selected(self, rows: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        keys = sorted(rows)
        if "ids" in query:
            keys = [key for key in keys if key in query["ids"].split(",")]
        if "field" in query:
            keys = [key for key in keys if rows[key]["values"].get(query["field"]) in query["values"].split(",")]
        keys = [
            key for key in keys if rows[key]["changed"] > int(query.get("since", 0)) and key > query.get("after", "")
        ]
        limit = int(query.get("limit", 10_000))
        found = [
            {"id": key, "version": rows[key]["version"], "active": rows[key]["active"], **rows[key]["values"]}
            for key in keys[:limit]
        ]
        return {"rows": found, "clock": self.crm.clock, "more": len(keys) > limit}

    def _described(self) -> dict[str, list[str]]:
        with self.crm.lock:
            return {name: sorted(next(iter(rows.values()))["values"]) for name, rows in self.crm.objects.items()}

    def _known(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {TOKEN}":
            return True
        self._answer(401, {"detail": "who are you?"})
        return False

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        if self.crm.daily:
            self.send_header("X-Quota", f"{min(self.crm.calls, self.crm.daily)}/{self.crm.daily}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def serving(crm: Crm) -> Iterator[Crm]:
    """The CRM behind an address of this machine."""
    handler = type("Handler", (_Handler,), {"crm": crm})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    crm.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield crm
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
