"""Real servers for the tests: PostgreSQL and Redis of the embedded default, in a folder of their own.

Loaded by `-p tests.servers`, before Django reads its settings. The servers start with the first test that needs the
database and end with the session.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_HOME = Path(tempfile.mkdtemp(prefix="crmq-tests-"))
os.environ["CRMQUALITY_HOME"] = str(_HOME)
os.environ["CRMQUALITY_LEASE_SECONDS"] = "3"  # a killed worker's run is taken up again after this
for _name in ("DATABASE_URL", "REDIS_URL", "CRMQUALITY_DEBUG"):
    os.environ.pop(_name, None)
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[object]:
    """The embedded servers, started."""
    from crmquality import embedded

    running = embedded.Servers(_HOME)
    running.start()
    yield running
    running.stop()
