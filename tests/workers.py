"""Real Celery workers for tests, with detectors installed beside the project as a third party would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

SLOW = '''
import time
from detectors.contract import Detector, Evidence, Finding, Flag

class SlowDetector(Detector):
    """Flags every record, a little time each."""

    name = "slow"
    version = "1"

    def detect(self, batch, context):
        for done, record in enumerate(sorted(batch.frame.index)):
            time.sleep(0.5)
            context.report(done, len(batch), "looking slowly")
            yield Finding((int(record),), Flag(), 0.9, (Evidence("slow", 1.0, "seen"),), "slow")
'''


def install_package(folder: Path, name: str, code: str, entry: str) -> Path:
    """Lay out an installed package of one module in a folder: on sys.path its entry point is found."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[crmquality.detectors]\n{entry}\n")
    return folder


def same_servers() -> dict[str, str]:
    """The environment of a child process that works on the tests' own database and Redis."""
    from django.conf import settings
    from django.db import connection

    known = connection.settings_dict
    login = f"{known['USER']}:{quote(known['PASSWORD'])}"
    url = f"postgresql://{login}@/{known['NAME']}?host={quote(known['HOST'], safe='')}"
    return os.environ | {"DATABASE_URL": url, "REDIS_URL": settings.CELERY_BROKER_URL, "PYTHONWARNINGS": "ignore"}


def start_worker(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """A Celery worker on the tests' own database and Redis; `folder` is added to its path."""
    environment = same_servers() | {"PYTHONPATH": str(folder)}
    words = ["celery", "-A", "crmquality", "worker", "-Q", "cpu,gpu", "-c", "1", "-l", "WARNING", "--without-mingle"]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *words], env=environment, stdout=output, stderr=output, start_new_session=True
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of the worker and its pool, as the kernel would for memory."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(done: Callable[[], Any], *, seconds: float = 60, every: float = 0.2) -> Any:
    """What `done` gives once it is true. Raises AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := done():
            return found
        time.sleep(every)
    raise AssertionError(f"{done} was not true within {seconds} seconds")
