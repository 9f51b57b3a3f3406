"""Holding a job while it is worked on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections

from crmquality.models.jobs import RENEW_EVERY, Job
from detectors.contract import Cancelled

Report = Callable[..., None]
NOTED_EVERY = 2.0


class Lost(Exception):
    """The lease ran out and another worker has the job: drop what was done."""


@contextmanager
def lease(job: Job) -> Iterator[Report]:
    """Renew the job's lease from a thread of its own until the block ends; gives the `report` function.

    report(done, total, stage="") notes progress, and raises `Cancelled` once a person cancelled the job, or `Lost`
    once another worker took it. Within a transaction, pass write=False: the thread then writes the progress, as the
    job's row would be locked, and its progress unseen, until the transaction ends.
    """
    holder = _Holder(job)
    thread = threading.Thread(target=holder.renew_until_done, name=f"lease-{job.pk}", daemon=True)
    thread.start()
    try:
        yield holder.report
    finally:
        holder.done.set()
        thread.join()


class _Holder:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.done = threading.Event()
        self.stopped: type[Exception] | None = None
        self.progress = (0, 0, "reading records")
        self._written = 0.0
        self._noted = False

    def report(self, done: int, total: int, stage: str = "", *, write: bool = True) -> None:
        self.progress = (int(done), int(total), stage or self.progress[2])
        self._noted = not write
        if write and time.monotonic() - self._written > 0.5:  # a person watches: fresher than the lease needs
            self._renew()
        if self.stopped:
            raise self.stopped

    def renew_until_done(self) -> None:
        try:
            while not self.done.wait(NOTED_EVERY):
                if time.monotonic() - self._written >= RENEW_EVERY.total_seconds():
                    self._renew()
                elif self._noted:
                    self._write()  # for whoever watches; whether the job is still ours is asked at its time
        finally:
            connections.close_all()

    def _renew(self) -> None:
        self._written = time.monotonic()
        if not self._write():
            manager = type(self.job).objects
            self.stopped = Cancelled if manager.held(self.job).exists() else Lost

    def _write(self) -> bool:
        self._noted = False
        done, total, stage = self.progress
        return bool(type(self.job).objects.renew(self.job, done=done, total=total, stage=stage))
