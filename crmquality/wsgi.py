"""For gunicorn: `gunicorn crmquality.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmquality.settings")
# Requests are answered side by side already: linear algebra that spreads each over all cores makes them wait for each
# other in turns (600 answers of anomalies: seconds for a tenth of one).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
application = get_wsgi_application()
