"""Composition: every setting comes from the environment or has a safe default.

CRMQUALITY_HOME       the one folder for data, secrets, models and logs (default: ~/.crmquality)
DATABASE_URL          postgresql://user:password@host:port/name of a server of one's own; else the embedded one
REDIS_URL             redis://... or unix://... of a server of one's own; else the embedded one
CRMQUALITY_HOSTS      host names served, comma-separated (default: the loopback names)
CRMQUALITY_ADDRESS    https://crm.example.com: how people reach the pages, for links in messages
CRMQUALITY_MAIL_HOST  mail server; without it no e-mail is sent. Also CRMQUALITY_MAIL_PORT, _USER, _PASSWORD,
                      _SECURITY (starttls, tls or none) and _FROM
CRMQUALITY_DEBUG      1 for Django's debug pages; never outside development: they show records
"""

from __future__ import annotations

import os
from pathlib import Path

from crmquality import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = embedded.home()

SECRET_KEY = embedded.secrets(HOME).secret_key
DEBUG = os.environ.get("CRMQUALITY_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("CRMQUALITY_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("CRMQUALITY_ORIGINS", "").split(",") if origin]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "django_htmx",
    "crmquality",
    "review",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "crmquality.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "crmquality.middleware.ServiceUnavailable",
    "crmquality.middleware.AllowedOrigins",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "crmquality.middleware.SeenBy",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "crmquality.urls"
WSGI_APPLICATION = "crmquality.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "review.context.navigation",
            ]
        },
    }
]

DATABASES = {"default": embedded.database(HOME)}
CELERY_BROKER_URL = embedded.redis_url(HOME)

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMAIL_HOST = os.environ.get("CRMQUALITY_MAIL_HOST", "")
EMAIL_PORT = int(os.environ.get("CRMQUALITY_MAIL_PORT", "587"))
EMAIL_HOST_USER = os.environ.get("CRMQUALITY_MAIL_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("CRMQUALITY_MAIL_PASSWORD", "")
EMAIL_USE_TLS = os.environ.get("CRMQUALITY_MAIL_SECURITY", "starttls") == "starttls"
EMAIL_USE_SSL = os.environ.get("CRMQUALITY_MAIL_SECURITY") == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = os.environ.get("CRMQUALITY_MAIL_FROM", "crmquality@localhost")

STATIC_URL = "/static/"
STATIC_ROOT = embedded.folder(HOME, "static")
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True

AUTHENTICATION_BACKENDS = ["crmquality.services.logins.ThrottledBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("CRMQUALITY_HTTPS") == "1"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
FILE_UPLOAD_TEMP_DIR = str(embedded.folder(HOME, "uploads"))

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crmquality.api.authentication.TokenAuthentication",
        "crmquality.api.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
        "crmquality.api.authentication.KeyRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {"anon": "120/min", "user": "3000/min", "key": "1200/min"},  # counted a web process
    "DEFAULT_PAGINATION_CLASS": "crmquality.api.pagination.ByIdPagination",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "crmquality.api.errors.problem",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "CRM Quality API",
    "DESCRIPTION": "Sources, imports, records, runs, findings, review items, decisions and metrics.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "crmquality.api.schema.add_problems",
        "crmquality.api.schema.add_promises",
    ],
    "ENUM_NAME_OVERRIDES": {
        "SeriesOrigin": "crmquality.models.Series.Origin",
        "AlarmState": "crmquality.models.Alarm.State",
        "DestinationKind": "crmquality.models.Destination.Kind",
        "ExportForm": "crmquality.models.Export.Form",
        "JobState": "crmquality.models.JobState",
        "FindingState": "crmquality.models.Finding.State",
        "ModelState": "crmquality.models.ModelVersion.State",
        "ItemState": "review.api.serializers.ITEM_STATES",
        "ChangeSetAction": "crmquality.models.ChangeSet.Action",
        "RunCause": "crmquality.models.Run.Cause",
        "LotState": "review.models.Lot.State",
        "BatchKind": "review.models.DecisionBatch.Kind",
        "KindEnum": "crmquality.models.Kind",
        "ItemAction": "review.api.serializers.ACTIONS",
    },
}

# Nothing is lost when a worker dies: the job row is the truth, and Celery hands a task over again.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_TIME_LIMIT = 6 * 3600
CELERY_WORKER_MAX_TASKS_PER_CHILD = 50
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 7 * 3600,  # above the longest time limit, or a running task is handed out twice
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_keepalive": True,
    "health_check_interval": 15,
    "socket_connect_timeout": 2,
    "socket_timeout": 30,
}
CELERY_TASK_PUBLISH_RETRY = False  # the sweeper publishes again; a page never waits for the broker
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "crmquality.tasks.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "measure-changed": {"task": "crmquality.tasks.measure_changed", "schedule": 5.0, "options": {"expires": 5}},
    "refit": {"task": "review.tasks.refit_due", "schedule": 5.0, "options": {"expires": 5}},
    "figures": {"task": "review.tasks.refresh_changed_figures", "schedule": 20.0, "options": {"expires": 20}},
    "known-answers": {"task": "review.tasks.gather_known_answers", "schedule": 600.0, "options": {"expires": 600}},
    "outboxes": {"task": "crmquality.tasks.publish_outboxes", "schedule": 5.0, "options": {"expires": 5}},
    "schedule-pulls": {"task": "crmquality.tasks.schedule_pulls", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-look-ups": {"task": "crmquality.tasks.sweep_look_ups", "schedule": 86_400.0, "options": {"expires": 3600}},
    "sweep-pulls": {"task": "crmquality.tasks.sweep_pulls", "schedule": 3600.0, "options": {"expires": 3600}},
    "sweep-answers": {"task": "crmquality.tasks.sweep_answers", "schedule": 3600.0, "options": {"expires": 3600}},
    "series": {"task": "crmquality.tasks.tend_series", "schedule": 60.0, "options": {"expires": 60}},
    "predictions": {"task": "crmquality.tasks.tend_predictions", "schedule": 60.0, "options": {"expires": 60}},
    "schedule-runs": {"task": "crmquality.tasks.schedule_runs", "schedule": 60.0, "options": {"expires": 60}},
}

SITE_ADDRESS = os.environ.get("CRMQUALITY_ADDRESS", "").rstrip("/")
CRMQUALITY = {
    "lease_seconds": float(os.environ.get("CRMQUALITY_LEASE_SECONDS", "30")),
    "refit_after_labels": 25,
    "undo_days": 30,
    "token_days": 90,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("CRMQUALITY_LOG", "WARNING")},
}
