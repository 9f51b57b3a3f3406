"""A progress bar in the terminal for jobs that workers do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO, TypeVar

from crmquality.models import Job

WIDTH = 28
J = TypeVar("J", bound=Job)


def bar(done: float, width: int = WIDTH) -> str:
    """A bar for a share in [0, 1]."""
    full = round(done * width)
    return "█" * full + "░" * (width - full)


def follow(
    jobs: Sequence[J],
    name: Callable[[J], str],
    *,
    tend: Callable[[], None] = lambda: None,
    each: Callable[[J], None] = lambda job: None,
    out: TextIO = sys.stdout,
) -> list[J]:
    """Show the jobs' progress until all are over; returns them as they ended. each: told of every job that ends.

    On a terminal one line is redrawn; elsewhere a line is printed as each job ends.
    """
    left = {job.pk: job for job in jobs}
    ended: list[J] = []
    started = time.monotonic()
    while left:
        tend()
        for job in list(left.values()):
            job.refresh_from_db()
            if not job.is_active:
                ended.append(left.pop(job.pk))
                _clear(out)
                out.write(f"  {name(job):<34} {job.get_state_display().lower():<10} {job.error}\n")
                each(job)
        _draw(out, list(left.values()), len(jobs), name, started)
        out.flush()
        if left:
            time.sleep(0.3)
    _clear(out)
    return ended


def _draw(out: TextIO, left: Sequence[J], total: int, name: Callable[[J], str], started: float) -> None:
    if not (left and out.isatty()):
        return
    share = (total - len(left) + sum(job.percent / 100 for job in left)) / total
    spent = time.monotonic() - started
    remaining = f", about {spent * (1 - share) / share:.0f} s left" if share > 0.05 else ""
    busy = next((job for job in left if job.progress_stage), left[0])
    text = f"{bar(share)} {100 * share:3.0f} %{remaining}  {name(busy)}: {busy.progress_stage}"
    out.write("\r\x1b[K" + text[:110])


def _clear(out: TextIO) -> None:
    if out.isatty():
        out.write("\r\x1b[K")
