"""The Celery application: `celery -A crmquality worker`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmquality.settings")

app = Celery("crmquality")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
