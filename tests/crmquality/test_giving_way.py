"""Background work gives way to the page, in the scheduler's own terms."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection

from crmquality import embedded
from crmquality.giving_way import give_way

NICE = 7
GROUPS = Path("/proc/self/autogroup")


def nice_of_group(pid: int) -> int | None:
    """None where the system does not group by session."""
    if not GROUPS.exists():
        return None
    found = re.search(r"nice (-?\d+)", Path(f"/proc/{pid}/autogroup").read_text())
    return int(found[1]) if found else None


def test_a_child_that_is_to_give_way_does_so_with_its_whole_session(tmp_path: Path) -> None:
    child = embedded.spawn([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log", nice=NICE)
    try:
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == NICE
        assert nice_of_group(child.pid) in {NICE, None}
    finally:
        embedded.end(child, signal.SIGTERM)


def test_a_child_without_a_word_on_it_runs_as_others_do(tmp_path: Path) -> None:
    child = embedded.spawn([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log")
    try:
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        embedded.end(child, signal.SIGTERM)


def test_a_process_of_somebody_else_or_gone_is_left_alone() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    give_way(gone.pid, NICE)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("nice", [0, NICE])
def test_the_database_serves_a_thread_as_nicely_as_the_thread_is(nice: int) -> None:
    found: list[tuple[int, bool]] = []
    own = os.getpriority(os.PRIO_PROCESS, 0)

    def ask() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(nice, own))
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid(), current_setting('max_parallel_workers_per_gather') = '0'")
                server, is_alone = cursor.fetchone()
                found.append((os.getpriority(os.PRIO_PROCESS, server), is_alone))
        finally:
            connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [(max(nice, own), max(nice, own) > 0)]
