"""The app of the review queue."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """What did a person say: review items, decisions, policies."""

    name = "review"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the one upward hop (triage what a run found), and lend what only we know: labels, verdicts, undo."""
        from crmquality.services import learning, measuring, measuring_reference, running, undoing
        from review import receivers  # noqa: F401
        from review.models import DecisionBatch
        from review.services import batching, deciding, known_answers, labelling

        learning.register_label_reader(labelling.labels)
        running.register_job(DecisionBatch, batching.TASK)
        measuring.register_verdict_counter(labelling.count_verdicts)
        measuring_reference.register_listener(known_answers.note_reference)
        undoing.register_undo(deciding.undo_change_set)
