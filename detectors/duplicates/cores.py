"""Work on all cores: compiled loops and numpy's run without the interpreter lock, so threads are enough."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Made = TypeVar("Made")

THREADS = 16
"""Threads at most; beyond so many, memory is the bound."""


def cores() -> int:
    """Threads to use on this machine."""
    return min(os.cpu_count() or 1, THREADS)


def ahead(make: Callable[[One], Made], items: Iterable[One]) -> Iterator[Made]:
    """`make` of each item, in order, made by threads a few items ahead of the reader, so that memory stays bounded."""
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
