"""The app of the review queue."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """What did a person say: review items, decisions, policies."""

    name = "review"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the one upward hop (triage what a run found), and say where labels come from."""
        from crmquality.services import learning, measuring
        from review import receivers  # noqa: F401
        from review.services import feedback

        learning.register_label_reader(feedback.labels)
        measuring.register_verdict_counter(feedback.count_verdicts)
