"""Taking records out, where it takes long."""

from __future__ import annotations

from django.db import models

from crmquality.models.jobs import Job
from crmquality.models.records import Source


class Export(Job):
    """One file written of a source's records, or of its changes; kept for a day.

    path: below CRMQUALITY_HOME/exports, "" until it is written. hide: the columns masked for whoever asked.
    """

    class Form(models.TextChoices):
        """What is written."""

        CSV = "csv", "CSV"
        XLSX = "xlsx", "Excel"
        PARQUET = "parquet", "Parquet"
        CHANGES = "changes", "change log"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="exports")
    form = models.CharField(max_length=10, choices=Form.choices)
    path = models.TextField(blank=True)
    hide = models.JSONField(default=list)
    scores = models.BooleanField(default=False, db_default=False, help_text="With what is predicted of each record.")
    fill = models.BooleanField(
        default=False, db_default=False, help_text="For analysis: blanks filled with mean or most frequent value."
    )
    rows = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.form} of {self.source_id}"

    @property
    def file_name(self) -> str:
        """What the file is called when it is taken."""
        if self.form == self.Form.CHANGES:
            return f"changes of {self.source.name}.csv"
        return f"{self.source.name}{' for analysis' if self.fill else ''}.{self.form}"
