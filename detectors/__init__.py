"""What looks wrong? Pure Python: a batch of records in, findings out.

Nothing here knows Django, Celery, Redis or a database (import-linter checks it), so every detector can be
used, tested and benchmarked on a plain data frame.
"""
