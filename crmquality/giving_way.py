"""Work that nobody waits for gives way to the page: its processes, and what the database does for them.

`nice` alone does nothing between sessions where Linux groups processes by session (sched_autogroup, the default of most
distributions; sched(7)): each session then has an equal share however nice its processes are. So the group is told too.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

THREAD = 5
"""How nice a thread is that works beside those that answer."""
TRIES = 5
"""The kernel takes one change of a group each tenth of a second from all users but root."""


def give_way(pid: int, nice: int) -> None:
    """Let a process, and its session, run behind what others do. nice: 0 (as others) to 19; needs no privilege.

    The process may be another one of this user. Where the system has no such thing, nothing happens.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    group = Path(f"/proc/{pid}/autogroup")
    for _ in range(TRIES):
        try:
            group.write_text(f"{nice}\n")
            return
        except BlockingIOError:
            time.sleep(0.11)
        except OSError:  # no such groups here, or not ours
            return


def thread_gives_way() -> None:
    """Let the calling thread run behind the others of its process; where threads have no priority, do nothing."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREAD)  # of the thread alone, on Linux


def database_gives_way(*, connection: Any, **_: Any) -> None:
    """Receiver of `connection_created`: the database serves a nice process, or thread, as nicely.

    Only where the database is on this machine: its sockets say so. It uses no parallel workers then: they are started
    by the server itself, so that they would run before what the page asks.
    """
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice > 0 and str(connection.settings_dict.get("HOST", "")).startswith("/"):
        server = connection.connection.info.backend_pid
        with suppress(OSError):
            if Path(f"/proc/{server}/comm").read_text().startswith("postgres"):  # not one of another container
                give_way(server, nice)
                with connection.cursor() as cursor:
                    cursor.execute("SET max_parallel_workers_per_gather = 0")
