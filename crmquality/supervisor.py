"""The embedded default as one program: servers, migrations, workers, scheduler and web, kept alive, ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

from crmquality.embedded import EmbeddedError, Servers, end, folder, spawn

BACK_OFF = (0.5, 1, 2, 5, 10, 30)
SERVED_WITHIN, ENDED_OFTEN = 300.0, 3
"""Seconds until the page has to answer, on a machine that is busy with other work; and so many ends of its process
before that say that it never will."""
STEADY = 60.0
"""A process that lived this many seconds starts its back-off anew."""


@dataclass
class _Child:
    name: str
    command: list[str]
    nice: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    again_at: float = field(default=0.0)


class Supervisor:
    """Starts and keeps alive everything of one home; use as a context manager.

    port: of the web page on 127.0.0.1; 0 takes a free one. workers: processes doing jobs.
    """

    def __init__(self, home: Path, *, port: int = 8000, workers: int = 2) -> None:
        self.home = home
        self.port = free_port(port)
        self.servers = Servers(home)
        celery = [sys.executable, "-m", "celery", "-A", "crmquality"]
        self._children = [
            _Child(
                "web",
                [
                    *(sys.executable, "-m", "gunicorn", "crmquality.wsgi", "--bind", f"127.0.0.1:{self.port}"),
                    *("--workers", "2", "--threads", "4", "--log-level", "warning", "--timeout", "120"),
                    *("--worker-tmp-dir", str(folder(home, "tmp")), "--no-control-socket"),
                ],
                # several requests reckon at once; and a model that is read beside them gives way in one thread only
                environment={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            ),
            _Child(
                "worker",
                [*celery, "worker", "-Q", "cpu,gpu", "-c", str(workers), "-l", "WARNING", "--without-mingle"],
                nice=10,  # a job never slows the page down
            ),
            _Child("resident", [sys.executable, "-m", "django", "resident"]),
            _Child("beat", [*celery, "beat", "-l", "WARNING", "--schedule", str(folder(home, "beat") / "schedule")]),
        ]
        self._stop = threading.Event()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Supervisor:
        self.servers.start()
        try:
            self._migrate()
            page, *others = self._children
            self._start(page)
            self._wait_for(page)  # before the others take the machine: each reads in as much as it does
            for child in others:
                self._start(child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Start again what ended, with back-off, until told to stop."""
        while not self._stop.is_set() and not until():
            self.tend()
            self._stop.wait(0.5)

    def tend(self) -> None:
        """Look at every child once."""
        for child in self._children:
            self._tend(child)

    def _tend(self, child: _Child) -> None:
        if child.process is not None and child.process.poll() is not None:
            lived = time.monotonic() - child.started
            child.failures = 1 if lived > STEADY else child.failures + 1
            child.again_at = time.monotonic() + BACK_OFF[min(child.failures, len(BACK_OFF)) - 1]
            child.process = None
        if child.process is None and time.monotonic() >= child.again_at:
            self._start(child)

    def stop(self) -> None:
        """End every child, then the servers."""
        self._stop.set()
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                # a worker's cold stop: what it was doing is taken up again at the next start
                child.process.send_signal(signal.SIGQUIT if child.name == "worker" else signal.SIGTERM)
        for child in self._children:
            end(child.process, signal.SIGTERM, within=5)
            child.process = None
        self.servers.stop()

    def _wait_for(self, page: _Child) -> None:
        """Until the page answers. Raises EmbeddedError with the end of its log if it does not."""
        deadline = time.monotonic() + SERVED_WITHIN
        while time.monotonic() < deadline and page.failures < ENDED_OFTEN:
            self._tend(page)
            with suppress(OSError), urlopen(self.address + "healthz", timeout=5) as answer:  # noqa: S310 - our own page
                if answer.status == HTTPStatus.OK:
                    return
            time.sleep(0.1)
        log = self.home / "logs" / "web.log"
        tail = " | ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
        raise EmbeddedError(f"The page did not answer; the end of {log}: {tail}")

    def _migrate(self) -> None:
        from django.core.management import call_command

        from crmquality.services.importing_uploads import sweep_uploads

        call_command("migrate", interactive=False, verbosity=0)
        sweep_uploads()

    def _start(self, child: _Child) -> None:
        child.started = time.monotonic()
        environment = os.environ | {"CRMQUALITY_HOME": str(self.home), "DJANGO_SETTINGS_MODULE": "crmquality.settings"}
        child.process = spawn(
            child.command,
            log=folder(self.home, "logs") / f"{child.name}.log",
            environment=environment | child.environment,
            nice=child.nice,
            cwd=Path(__file__).resolve().parent.parent,
        )


def free_port(wanted: int) -> int:
    """The wanted port of 127.0.0.1, or any free one for 0. Raises EmbeddedError if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise EmbeddedError(
                f"Port {wanted} is taken: name another one, for instance --port {wanted + 1}."
            ) from error
        port: int = probe.getsockname()[1]
        return port
