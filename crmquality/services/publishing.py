"""Telling the workers that there is a job. Losing this message loses nothing: the sweeper tells them again."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
GPU_DETECTORS = {"sequences"}


def publish(task: str, job_id: int, *, detector: str = "") -> None:
    """Send the task once this transaction has committed; a broker that is away is not an error."""
    queue = "gpu" if detector in GPU_DETECTORS else "cpu"
    transaction.on_commit(lambda: _send(task, job_id, queue))


def _send(task: str, job_id: int, queue: str) -> None:
    try:
        current_app.send_task(task, args=[job_id], queue=queue, retry=False)
    except (OperationalError, RedisError, OSError):
        logger.warning("the broker is away: job %s of %s waits for the sweeper", job_id, task)
