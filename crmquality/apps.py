"""The app that stores CRM records and quality metrics."""

from django.apps import AppConfig


class CrmQualityConfig(AppConfig):
    """What is true: records, runs, findings, metrics, changes, models."""

    name = "crmquality"
    verbose_name = "CRM Quality"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from crmquality import checks  # noqa: F401
