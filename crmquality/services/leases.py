"""Holding a job while it is worked on."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from crmquality.models.jobs import RENEW_EVERY, Job, JobState
from crmquality.services.errors import Refused
from detectors.contract import Cancelled

Report = Callable[..., None]
logger = logging.getLogger(__name__)
NOTED_EVERY = 2.0


class Lost(Exception):
    """The lease ran out and another worker has the job: drop what was done."""


class TryAgain(Exception):
    """It failed for a reason outside of us that may pass; the message is for the person who looks at the job."""


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


def do_job(model: type[Job], job_id: int, work: Callable[[Any, Report], None]) -> Any | None:
    """Claim a job, do it under its lease, and note how it ended; None if another worker has it or it is over.

    Never raises: everything after the claim stands inside `try`, or one failure would block every later job.
    A `Refused` is final, since trying again would end the same way; anything else is tried again with back-off.
    """
    manager = model.objects
    job = manager.claim(job_id)
    if job is None:
        return None
    try:
        with lease(job) as report:
            work(job, report)
    except Cancelled:
        manager.finish(job, JobState.CANCELLED)
    except Lost:
        logger.warning("%s %s was taken over by another worker", model.__name__, job_id)
    except Refused as error:
        manager.finish(job, JobState.FAILED, error=str(error))
    except TryAgain as error:
        manager.retry_or_fail(job, str(error))
    except Exception as error:
        where = "".join(traceback.format_tb(error.__traceback__))  # not the message: it may quote a record
        logger.error("%s %s failed: %s\n%s", model.__name__, job_id, type(error).__name__, where)
        manager.retry_or_fail(job, f"{type(error).__name__}: see the worker's log")
    return job


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
