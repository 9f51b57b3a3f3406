"""Telling the workers that there is a job. Losing this message loses nothing: the sweeper tells them again."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
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
