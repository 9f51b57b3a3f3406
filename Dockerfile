# One image for web, worker and beat; runs as a user without rights.
# For a torch without CUDA: docker build --build-arg PIP_EXTRA_INDEX_URL=<an index of CPU wheels> .
FROM python:3.11-slim
ARG PIP_EXTRA_INDEX_URL
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY .ci/constraints.txt .ci/constraints.txt
COPY pyproject.toml README.md manage.py ./
COPY crmquality crmquality
COPY review review
COPY detectors detectors
COPY templates templates
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && \
    pip install -c .ci/constraints.txt -e . && \
    CRMQUALITY_HOME=/tmp/warm python -W ignore manage.py warm && rm -r /tmp/warm && \
    apt-get purge -y build-essential && apt-get autoremove -y && rm -rf /var/lib/apt/lists/* && \
    useradd --create-home --uid 10001 crmquality && mkdir /data && chown crmquality /data
USER crmquality
ENV CRMQUALITY_HOME=/data
VOLUME /data
CMD ["gunicorn", "crmquality.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4"]
