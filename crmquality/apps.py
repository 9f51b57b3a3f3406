"""The app that stores CRM records and quality metrics."""

from django.apps import AppConfig


class CrmQualityConfig(AppConfig):
    """What is true: records, runs, findings, metrics, changes, models."""

    name = "crmquality"
    verbose_name = "CRM Quality"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and what of our own work can be a series; background work gives way."""
        from django.db.backends.signals import connection_created

        from crmquality import checks  # noqa: F401
        from crmquality.giving_way import database_gives_way
        from crmquality.services import series_operations

        series_operations.register()
        connection_created.connect(database_gives_way, dispatch_uid="database gives way")
