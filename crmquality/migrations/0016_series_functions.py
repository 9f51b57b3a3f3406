"""EMA/EMV judged inside PostgreSQL: one set-based UPDATE a tick, a loop for a back-fill."""

from django.db import migrations

from crmquality import series_functions


class Migration(migrations.Migration):
    dependencies = [("crmquality", "0015_series")]
    operations = [migrations.RunSQL(series_functions.INSTALL, series_functions.REMOVE)]
