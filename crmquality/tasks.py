"""What a worker is told to do: each forwards to a service."""

from __future__ import annotations

from celery import shared_task

from crmquality.services import (
    answers,
    collisions,
    comparing,
    delivering,
    enriching,
    exporting_jobs,
    importing,
    judging,
    learning,
    measuring,
    outbox_delivering,
    predicting,
    profiling,
    pulling,
    running,
    scoring,
    series,
    series_deriving,
    undoing,
)


@shared_task
def execute_run(run_id: int) -> None:
    """Do a run."""
    running.execute_run(run_id)


@shared_task
def execute_import(import_id: int) -> None:
    """Read a file into its source."""
    importing.execute_import(import_id)


@shared_task
def execute_training(training_id: int) -> None:
    """Fit a detector anew on all labels."""
    learning.execute_training(training_id)


@shared_task
def execute_undoing(job_id: int) -> None:
    """Undo many change sets."""
    undoing.execute_undoing(job_id)


@shared_task
def index_unique_columns(source_id: int) -> None:
    """Index the columns that a card looks up."""
    collisions.index_unique_columns(source_id)


@shared_task
def execute_export(job_id: int) -> None:
    """Write a file of a source's records."""
    exporting_jobs.execute_export(job_id)


@shared_task
def execute_measurement(job_id: int) -> None:
    """Measure a source."""
    measuring.execute_measurement(job_id)


@shared_task
def execute_delivery(delivery_id: int) -> None:
    """Send a message to a destination."""
    delivering.execute_delivery(delivery_id)


@shared_task
def execute_profile(job_id: int) -> None:
    """Profile a source."""
    profiling.execute_profile(job_id)


@shared_task
def execute_prediction_training(job_id: int) -> None:
    """Search for a predictor."""
    predicting.execute_training(job_id)


@shared_task
def execute_scoring(job_id: int) -> None:
    """Score the records of a prediction."""
    scoring.execute_scoring(job_id)


@shared_task
def tend_predictions() -> None:
    """Train and score again what changed enough."""
    predicting.retrain_due()
    scoring.score_due()


@shared_task
def judge_readings(_: int = 0) -> None:
    """Judge the readings that wait, of every series."""
    series.watch_new()
    judging.judge_waiting()


@shared_task
def update_series(job_id: int) -> None:
    """Compute the series of a source."""
    series_deriving.execute_update(job_id)


@shared_task
def execute_bake_off(job_id: int) -> None:
    """Compare methods."""
    comparing.execute_bake_off(job_id)


@shared_task
def tend_series() -> None:
    """Compute the series that are due, judge what waits, and refresh what sliders show."""
    series_deriving.update_due()
    series.watch_new()
    judging.judge_waiting()
    judging.refresh_outlooks()


@shared_task
def sweep() -> None:
    """Publish again what nobody holds."""
    running.sweep()


@shared_task
def schedule_runs() -> None:
    """Queue the runs that are due."""
    running.schedule_due()


@shared_task
def measure_changed() -> None:
    """Measure the sources that changed."""
    measuring.measure_changed()


@shared_task
def deliver_outbox(connection_id: int) -> None:
    """Send what is due to a connected system."""
    outbox_delivering.deliver(connection_id)


@shared_task
def publish_outboxes() -> None:
    """Tell of connections with writes that are due."""
    outbox_delivering.publish_due()


@shared_task
def schedule_pulls() -> None:
    """Queue the pulls that are due."""
    pulling.schedule_due()


@shared_task
def sweep_look_ups() -> None:
    """Forget old answers of look-ups."""
    enriching.sweep_answers()


@shared_task
def sweep_answers() -> None:
    """Forget the answers of the API that no repetition gets any more."""
    answers.sweep()


@shared_task
def sweep_pulls() -> None:
    """Remove pages of pulls that are over."""
    pulling.sweep_pulls()
