"""manage.py warm"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from crmquality.connectors.files_csv import CsvTable
from crmquality.services.importing_rows import Preparer
from detectors.duplicates import warm


class Command(BaseCommand):
    """Compile every kernel once, at installation: compiled code is kept beside the sources (about a minute)."""

    help = "Compile what is compiled at its first use, so that the first import and the first run do not wait for it."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        """Read a small file, and link a few records."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "small.csv"
            path.write_text('Id,Name,Account\n1,"Ann ""Nan"" Lee",A1\n2,Ray,\n')
            preparer = Preparer(source=1, key="Id", references={"Account": "accounts"}, encoding="utf-8")
            for block in CsvTable(path, {}).blocks():
                preparer.prepare(block)
        warm.main()
