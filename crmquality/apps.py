"""The app that stores CRM records and quality metrics."""

from django.apps import AppConfig


class CrmQualityConfig(AppConfig):
    """What is true: records, runs, findings, metrics, changes, models."""

    name = "crmquality"
    verbose_name = "CRM Quality"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and what of our own work can be a series."""
        from crmquality import checks  # noqa: F401
        from crmquality.services import series_operations

        series_operations.register()
