"""A fitted anomaly detector on disk, and back, ready to be reweighted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.anomalies import storage
from detectors.anomalies.discovery import Answer, Discovery, Unlabelled
from detectors.anomalies.features import Feature
from detectors.anomalies.forest import Forest
from detectors.anomalies.sites import Sites
from detectors.contract import ModelFileError

SIGNATURE = "anomalies"
Verdicts = dict[int, tuple[bool, float]]
_PLAIN = ("values", "leaves", "ranks", "outlyingness", "sure")
_SIMILAR = "table.similar"
"""Follows from the values, but takes a third of all the time that a model takes to be read."""


def save(
    discovery: Discovery | None,
    ids: npt.NDArray[np.int64],
    columns: tuple[Feature, ...],
    verdicts: Verdicts,
    directory: Path,
) -> None:
    """Write the state; a detector that never saw a table has verdicts alone."""
    arrays: dict[str, npt.NDArray[Any]] = {"ids": ids} | _verdict_arrays(verdicts)
    facts: dict[str, Any] = {
        "columns": [[one.name, one.kind, list(one.fields)] for one in columns],
        "fitted": discovery is not None,
    }
    if discovery is not None:
        arrays |= _discovery_arrays(discovery)
        facts["members"] = list(discovery.table.names)
    storage.write(directory, signature=SIGNATURE, arrays=arrays, facts=facts)


def load(directory: Path) -> tuple[Discovery | None, npt.NDArray[np.int64], tuple[Feature, ...], Verdicts]:
    """What `save` was given. Raises ModelFileError."""
    arrays, facts = storage.read(directory, signature=SIGNATURE)
    try:
        names = ("verdict_ids", "verdict_is_defect", "verdict_trust")
        verdicts = {
            record: (verdict, trust)
            for record, verdict, trust in zip(*(arrays[name].tolist() for name in names), strict=True)
        }
        discovery = _discovery(arrays, facts) if facts["fitted"] else None
        columns = tuple(Feature(name, kind, tuple(fields)) for name, kind, fields in facts["columns"])
        return discovery, arrays["ids"], columns, verdicts
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"the model in {directory.name} lacks a part: {error}") from error


def _verdict_arrays(verdicts: Verdicts) -> dict[str, npt.NDArray[Any]]:
    return {
        "verdict_ids": np.array(list(verdicts), np.int64),
        "verdict_is_defect": np.array([verdict for verdict, _ in verdicts.values()], bool),
        "verdict_trust": np.array([trust for _, trust in verdicts.values()], np.float64),
    }


def _discovery_arrays(discovery: Discovery) -> dict[str, npt.NDArray[Any]]:
    table, answers = discovery.table, list(discovery.answers.values())
    arrays = {f"table.{name}": getattr(table, name) for name in _PLAIN}
    arrays[_SIMILAR] = table.similar
    arrays |= {f"forest.{field.name}": getattr(table.forest, field.name) for field in fields(Forest)}
    return arrays | {
        "answers.row": np.array([answer.row for answer in answers], np.int64),
        "answers.confirmed": np.array([answer.confirmed for answer in answers], bool),
        "answers.trust": np.array([answer.trust for answer in answers], np.float64),
        "answers.belief": np.array([discovery.beliefs[answer.row] for answer in answers], np.float64),
        "sites.precision": discovery.similarity.sites.precision,
        "sites.shift": discovery.similarity.sites.shift,
        "pool": discovery.pool,
        "expected": discovery.expected,
        "by_leaves": discovery.by_leaves,
    }


def _discovery(arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> Discovery:
    forest = Forest(**{field.name: arrays[f"forest.{field.name}"] for field in fields(Forest)})
    plain: dict[str, Any] = {name: arrays[f"table.{name}"] for name in _PLAIN}
    table = Unlabelled(forest=forest, names=tuple(facts["members"]), **plain)
    if _SIMILAR in arrays:  # models written earlier have none
        table.__dict__["similar"] = arrays[_SIMILAR]  # where a cached property keeps its value
    of_answers = (arrays[f"answers.{name}"].tolist() for name in ("row", "confirmed", "trust"))
    answers = list(map(Answer, *of_answers))
    discovery = Discovery(table)
    discovery.resume(
        answers,
        pool=arrays["pool"],
        sites=Sites(arrays["sites.precision"], arrays["sites.shift"]),
        beliefs=arrays["answers.belief"],
        expected=arrays["expected"],
        by_leaves=arrays["by_leaves"],
    )
    return discovery
