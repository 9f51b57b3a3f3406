"""Compile every kernel once, at installation: `python -m detectors.duplicates.warm` (about half a minute).

Compiled code is cached beside the sources; without this the first run of a fresh installation waits for it.
"""

from __future__ import annotations

from detectors.contract import RunContext
from detectors.duplicates.detector import DuplicateDetector
from detectors.testing import sample_batch


def main() -> None:
    """Link a small batch and one that needs blocking."""
    for rows in (60, 1200):
        list(DuplicateDetector().detect(sample_batch(rows), RunContext(device="cpu")))


if __name__ == "__main__":
    main()
