"""Small servers that answer as vendors' published APIs say, for tests: no vendor's service is reached.

Each keeps rows in memory, counts a clock on by a minute with every change, and knows only what a connector asks for.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Asked:
    """One request. form: the body as JSON, or as the fields of a form."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    form: Any


@dataclass
class Answer:
    """What is answered: JSON, or text as it is."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Fake:
    """A vendor's server. objects: name -> key -> row; what a row is, is each vendor's own."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.clock = datetime(2026, 1, 1, tzinfo=UTC)
        self.lock = threading.RLock()
        self.address = ""
        self.calls = 0

    def tick(self) -> datetime:
        """A minute later."""
        self.clock += timedelta(minutes=1)
        return self.clock

    def answer(self, asked: Asked) -> Answer:
        """What the vendor would answer."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    fake: Fake
    protocol_version = "HTTP/1.1"

    def _all(self) -> None:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form: Any = None
        if content:
            is_form = "urlencoded" in self.headers.get("Content-Type", "")
            form = {k: v[0] for k, v in parse_qs(content).items()} if is_form else json.loads(content)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.fake.lock:
            self.fake.calls += 1
            found = self.fake.answer(Asked(self.command, unquote(parts.path), query, self.headers, form))
        body = b"" if found.body is None else found.body.encode() if isinstance(found.body, str) else None
        content_type = "text/csv" if isinstance(found.body, str) else "application/json"
        body = json.dumps(found.body).encode() if body is None else body
        self.send_response(found.status)
        for name, value in {"Content-Type": content_type, **found.headers, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _all

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def served(fake: Fake) -> Iterator[Fake]:
    """The fake behind an address of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    fake.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
