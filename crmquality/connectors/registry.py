"""Finds the installed connectors by entry point, ours and third parties' by the same door; listing imports none."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from crmquality.connectors.contract import Connector, SystemConnector

GROUP = "crmquality.connectors"


class UnknownConnector(LookupError):
    """No installed package registers a connector of this name, or what it registers is none."""


def available() -> dict[str, EntryPoint]:
    """Name -> entry point of every installed connector, sorted by name. Looked up once a process."""
    return dict(_installed(tuple(sys.path)))


@cache
def _installed(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def load(name: str) -> Connector:
    """An installed connector. Raises UnknownConnector."""
    found = available()
    if name not in found:
        known = ", ".join(found) or "none"
        raise UnknownConnector(f"No connector named {name!r} is installed: choose one of {known}.")
    kind = found[name].load()
    if not (isinstance(kind, type) and issubclass(kind, Connector)):
        raise UnknownConnector(f"{found[name].value} is not a crmquality.connectors.contract.Connector.")
    return kind()


def load_system(name: str) -> SystemConnector:
    """An installed connector to a system. Raises UnknownConnector, also if it is one to files."""
    connector = load(name)
    if not isinstance(connector, SystemConnector):
        raise UnknownConnector(f"{name!r} reads {connector.title.lower()}; it connects to no system.")
    return connector


def systems() -> list[SystemConnector]:
    """Every installed connector to a system, by title; one whose package is broken is left out."""
    found = []
    for name in available():
        try:
            found.append(load_system(name))
        except (UnknownConnector, ImportError):
            continue
    return sorted(found, key=lambda connector: connector.title)
