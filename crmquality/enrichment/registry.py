"""Finds the installed look-ups by entry point, ours and third parties' by the same door; listing imports none."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from crmquality.enrichment.contract import Adapter

GROUP = "crmquality.enrichment"


class UnknownAdapter(LookupError):
    """No installed package registers an adapter of this name, or what it registers is none."""


@cache
def available() -> dict[str, EntryPoint]:
    """Name -> entry point of every installed adapter, sorted by name. Looked up once a process."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def load(name: str) -> Adapter:
    """An installed adapter. Raises UnknownAdapter."""
    found = available()
    if name not in found:
        raise UnknownAdapter(f"No look-up named {name!r} is installed: choose one of {', '.join(found) or 'none'}.")
    kind = found[name].load()
    if not (isinstance(kind, type) and issubclass(kind, Adapter)):
        raise UnknownAdapter(f"{found[name].value} is not a crmquality.enrichment.contract.Adapter.")
    return kind()


def adapters() -> list[Adapter]:
    """Every installed adapter, by title; one whose package is broken is left out."""
    found = []
    for name in available():
        try:
            found.append(load(name))
        except (UnknownAdapter, ImportError):
            continue
    return sorted(found, key=lambda adapter: adapter.title)
