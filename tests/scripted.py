"""A detector that finds what a test tells it to, for testing what happens to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

import pytest

from crmquality.models import Record, Source
from crmquality.services import running
from detectors import registry
from detectors.contract import (
    Batch,
    Detector,
    Evidence,
    Finding,
    MergeRecords,
    Proposal,
    RunContext,
    SetFields,
)


class ScriptedDetector(Detector):
    """Yields `script(batch)`."""

    name = "scripted"
    version = "1"
    script: ClassVar[Callable[[Batch], Iterable[Finding]]] = staticmethod(lambda batch: [])

    def detect(self, batch: Batch, context: RunContext) -> Iterable[Finding]:
        context.report(0, 1)
        return type(self).script(batch)


def install(monkeypatch: pytest.MonkeyPatch, script: Callable[[Batch], Iterable[Finding]]) -> None:
    """Register the scripted detector for one test."""
    monkeypatch.setattr(ScriptedDetector, "script", staticmethod(script))
    monkeypatch.setattr(registry, "available", lambda: {"scripted": object()})
    monkeypatch.setattr(registry, "load", lambda name: ScriptedDetector)


def install_checks(monkeypatch: pytest.MonkeyPatch, **scripts: Callable[[Batch], Iterable[Finding]]) -> None:
    """Register one scripted detector a name for one test."""
    made = {
        name: type(name, (ScriptedDetector,), {"name": name, "script": staticmethod(script)})
        for name, script in scripts.items()
    }
    monkeypatch.setattr(registry, "available", lambda: made)
    monkeypatch.setattr(registry, "load", lambda name: made[name])


def claim(record: Record, score: float = 0.9, **changes: str | None) -> Finding:
    """A finding that proposes these values for the record."""
    return _finding((record.pk,), SetFields(changes), score, tuple(changes))


def merge_claim(survivor: Record, *members: Record, score: float = 0.9, **changes: str | None) -> Finding:
    """A finding that these records are one."""
    others = tuple(member.pk for member in members)
    return _finding((survivor.pk, *others), MergeRecords(survivor.pk, others, changes), score, ())


def scan(source: Source, *detectors: str) -> None:
    """Run the scripted detector to its end, as a worker would; or these detectors, one after the other."""
    for detector in detectors or ("scripted",):
        running.execute_run(running.request_run(source=source, detector=detector).pk)


def _finding(subjects: tuple[int, ...], proposal: Proposal, score: float, fields: tuple[str, ...]) -> Finding:
    return Finding(subjects, proposal, score, (Evidence("test", 1.0, "because the test says so", fields),), "scripted")
