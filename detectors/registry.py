"""Finds the installed detectors by entry point, ours and third parties' by the same door.

Listing imports none of them: torch and spaCy are loaded only where a detector runs.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from detectors.contract import Detector

GROUP = "crmquality.detectors"


class UnknownDetector(LookupError):
    """No installed package registers a detector of this name."""


def available() -> dict[str, EntryPoint]:
    """Name -> entry point of every installed detector, sorted by name; imports none of them.

    Looked up once a process: going through every installed package takes longer than a decision may.
    """
    return dict(_installed(tuple(sys.path)))


@cache
def _installed(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def load(name: str) -> type[Detector]:
    """The detector class of this name.

    Raises UnknownDetector if none is installed, TypeError if what is registered is no Detector.
    """
    try:
        entry = available()[name]
    except KeyError:
        known = ", ".join(available()) or "none"
        raise UnknownDetector(f"No detector named {name!r} is installed. Installed: {known}.") from None
    loaded = entry.load()
    if not (isinstance(loaded, type) and issubclass(loaded, Detector)):
        raise TypeError(f"Entry point {GROUP}:{name} gives {loaded!r}, not a subclass of detectors.contract.Detector.")
    return loaded
