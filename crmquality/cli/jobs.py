"""A command's jobs, followed to their end: done by the workers, or here where none is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TextIO, TypeVar

from celery import current_app
from django.db import connections
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from crmquality.cli.progress import follow
from crmquality.models.jobs import Job
from crmquality.services import running

J = TypeVar("J", bound=Job)
AGAIN = 1.0
"""Seconds between two tries to take a job that another holds, or that is not due."""


def workers_answer(*, within: float = 1.5) -> list[str]:
    """The names of the workers that answer in so many seconds; none if the broker is away."""
    try:
        return sorted(name for answer in current_app.control.ping(timeout=within) or [] for name in answer)
    except (OperationalError, RedisError, OSError):
        return []


def carry_out(
    jobs: Sequence[J],
    name: Callable[[J], str],
    *,
    work: Callable[[int], None] | None,
    out: TextIO,
    each: Callable[[J], None] = lambda job: None,
) -> list[J]:
    """Follow the jobs until all are over; returns them as they ended. Ctrl-C cancels those that are not.

    work: does one here, by its id; None to leave them to the workers. A job that a worker takes first is the worker's,
    and is taken back here if that worker dies: a lease decides, as between workers.
    """
    if work and not out.isatty():
        return [ended for job in jobs for ended in _one_after_the_other(job, name, work, each, out)]
    over = threading.Event()
    here = threading.Thread(target=_beside, args=(jobs, work, over), name="jobs") if work else None
    if here:
        here.start()
    try:
        return follow(jobs, name, each=each, out=out)
    except KeyboardInterrupt:
        for job in jobs:
            running.cancel(job)
        raise
    finally:
        over.set()
        if here:
            here.join()


def _one_after_the_other(
    job: J, name: Callable[[J], str], work: Callable[[int], None], each: Callable[[J], None], out: TextIO
) -> list[J]:
    """Where nobody watches."""
    try:
        _do([job], work, threading.Event())
        return follow([job], name, each=each, out=out)
    except KeyboardInterrupt:
        running.cancel(job)
        raise


def _beside(jobs: Sequence[Job], work: Callable[[int], None], over: threading.Event) -> None:
    """In a thread of its own, so that the progress is drawn and Ctrl-C is heard meanwhile."""
    try:
        _do(jobs, work, over)
    finally:
        connections.close_all()


def _do(jobs: Sequence[Job], work: Callable[[int], None], over: threading.Event) -> None:
    """Try each job until all are over, by us or by others, or until told to stop."""
    left = [(type(job), job.pk) for job in jobs]
    while left and not over.is_set():
        for _, job_id in left:
            work(job_id)
        left = [(kind, one) for kind, one in left if kind.objects.active().filter(pk=one).exists()]
        if left:
            over.wait(AGAIN)
