"""Finds company names written in capitals only."""

from collections.abc import Iterable

from detectors.contract import Batch, Detector, Evidence, Finding, RunContext, SetFields
from detectors.roles import Role


class ShoutingDetector(Detector):
    """ACME WIDGETS -> Acme Widgets."""

    name = "shouting"
    version = "1"

    def detect(self, batch: Batch, context: RunContext) -> Iterable[Finding]:
        """One finding a shouted name."""
        context.report(0, len(batch), "reading names")
        for column in batch.columns(Role.COMPANY):
            for record, text in batch.frame[column].items():
                if isinstance(text, str) and text.isupper() and len(text) > 4 and text.title() != text:
                    calm = text.title().replace("\0", "")
                    reason = Evidence("capitals", 1.0, f"“{text}” is all capitals", (column,))
                    yield Finding((int(record),), SetFields({column: calm}), 0.6, (reason,), "capitals")
