"""The home that a benchmark's processes work on, and what they spent, read where Linux keeps it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def home_of(asked: Path | None = None) -> Iterator[Path]:
    """The home that was asked for, which is kept; else an empty one that is gone afterwards."""
    if asked:
        yield asked
        return
    with tempfile.TemporaryDirectory(prefix="crmq-bench-") as folder:
        yield Path(folder)


def apart(work: Callable[..., T], *given: Any, **named: Any) -> T:
    """What `work`, a function of a module, returns in a process of its own, whose peak of memory is its own too."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()


def seconds_of(pid: int) -> float:
    """CPU seconds of a process so far, with its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def descendants(pid: int) -> list[int]:
    """A process, its children, theirs, and so on."""
    found = [pid]
    for parent in found:
        for path in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(word) for word in path.read_text().split()]
    return found
