"""Telling the workers that there is a job. Losing this message loses nothing: the sweeper tells them again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
SWEPT = "crmquality:swept"
GPU_DETECTORS = {"sequences"}


def publish(task: str, job_id: int, *, detector: str = "", after: float = 0.0) -> None:
    """Send the task once this transaction has committed; a broker that is away is not an error.

    after: seconds that a worker lets pass before it starts.
    """
    queue = "gpu" if detector in GPU_DETECTORS else "cpu"
    transaction.on_commit(lambda: _send(task, job_id, queue, after))


def _send(task: str, job_id: int, queue: str, after: float) -> None:
    try:
        current_app.send_task(task, args=[job_id], queue=queue, countdown=after or None, retry=False)
    except (OperationalError, RedisError, OSError):
        logger.warning("the broker is away: job %s of %s waits for the sweeper", job_id, task)


@contextmanager
def broker() -> Iterator[Any]:
    """A client of the Redis that carries the messages. Raises what redis-py and kombu raise if it is away."""
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
        channel: Any = connection.default_channel
        yield channel.client


def note_sweep() -> None:
    """Somebody told a worker to sweep, and it did: the sign of life of both. A broker that is away is no error."""
    try:
        with broker() as client:
            client.set(SWEPT, client.time()[0])
    except (OperationalError, RedisError, OSError):
        logger.warning("the broker is away: the sweep is not noted")


def swept_ago() -> float | None:
    """Seconds since the last sweep, by the broker's clock; None if there was none."""
    with broker() as client:
        at = client.get(SWEPT)
        return None if at is None else float(client.time()[0] - int(at))
