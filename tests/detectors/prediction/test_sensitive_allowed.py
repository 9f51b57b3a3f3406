"""Sensitive attributes are off by default; switched on they bear hostile batches too."""

from detectors.prediction.detector import MissingValueDetector
from detectors.testing import check_hostile_batches


def test_it_bears_hostile_batches_with_sensitive_attributes_allowed():
    check_hostile_batches(MissingValueDetector(sensitive=True))
