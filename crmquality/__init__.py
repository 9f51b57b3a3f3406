"""What is true: records, runs, findings, metrics, changes and models, stored by a Django project."""

from crmquality.celery import app as celery_app

__all__ = ["celery_app"]
