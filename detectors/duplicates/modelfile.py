"""Models on disk: one JSON file that carries its format and a digest; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.contract import ModelFileError
from detectors.duplicates import sizes
from detectors.duplicates.learning import Learned
from detectors.duplicates.links import Links
from detectors.duplicates.scoring import Model
from detectors.duplicates.survivorship import Rule

FILE = "duplicates.json"
FORMAT = 1
_ARRAYS = ("chances", "priors", "trust", "by_chance")


@dataclass(frozen=True)
class State:
    """All that a detector keeps."""

    models: Mapping[str, Model]
    learned: Mapping[str, Learned]
    links: Links
    rules: Mapping[str, Rule]
    deduplicated: frozenset[str]


def save(directory: Path, state: State) -> None:
    """Write the state to one file in the directory."""
    plain = {
        "models": {entity: model_to_plain(model) for entity, model in state.models.items()},
        "learned": {entity: learned.to_plain() for entity, learned in state.learned.items()},
        "same": sorted(state.links.same),
        "different": sorted(state.links.different),
        "rejected": sorted(state.links.rejected),
        "deduplicated": sorted(state.deduplicated),
        "rules": {name: rule.value for name, rule in state.rules.items()},
    }
    text = json.dumps(plain, sort_keys=True)
    whole = {"format": FORMAT, "digest": hashlib.sha256(text.encode()).hexdigest(), "state": text}
    (directory / FILE).write_text(json.dumps(whole), encoding="utf-8")


def load(directory: Path) -> State:
    """Read what `save` wrote. Raises ModelFileError if the file is absent, damaged, foreign or of another format."""
    try:
        whole = json.loads((directory / FILE).read_text(encoding="utf-8"))
        text, written, digest = whole["state"], whole["format"], whole["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{FILE} cannot be read: {error}") from error
    if written != FORMAT:
        raise ModelFileError(f"{FILE} is of format {written}; this version reads {FORMAT}")
    if hashlib.sha256(str(text).encode()).hexdigest() != digest:
        raise ModelFileError(f"{FILE} is damaged: its digest does not fit")
    try:
        return _state_from_plain(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{FILE} holds something else than a model: {error}") from error


def _state_from_plain(plain: dict[str, Any]) -> State:
    return State(
        {entity: model_from_plain(entity, model) for entity, model in plain["models"].items()},
        {entity: Learned.from_plain(learned) for entity, learned in plain["learned"].items()},
        Links(*(frozenset(map(tuple, plain[name])) for name in ("same", "different", "rejected"))),
        {name: Rule(rule) for name, rule in plain["rules"].items()},
        frozenset(plain["deduplicated"]),
    )


def model_to_plain(model: Model) -> dict[str, Any]:
    """A model as lists and numbers."""
    plain: dict[str, Any] = {name: getattr(model, name).tolist() for name in _ARRAYS}
    plain |= {"keys": model.keys, "steps": model.steps, "converged": model.converged, "matches": model.matches}
    return plain if model.lifts is None else plain | {"lifts": model.lifts.tolist()}


def model_from_plain(entity: str, plain: dict[str, Any]) -> Model:
    """Read what `model_to_plain` wrote. Raises KeyError, TypeError or ValueError if it is something else."""
    arrays = {name: np.array(plain[name], dtype=np.float64) for name in _ARRAYS}
    if arrays["chances"].shape[1:] != (4, 8) or len(arrays["chances"]) != len(plain["keys"]):
        raise ValueError("the arrays do not fit the comparisons")
    lifts = np.array(plain["lifts"], dtype=np.float64) if "lifts" in plain else None
    if lifts is not None and lifts.shape != (sizes.LISTED + 1,):
        raise ValueError("there is not one lift a size")
    return Model(
        entity,
        tuple(plain["keys"]),
        steps=plain["steps"],
        converged=plain["converged"],
        matches=plain["matches"],
        lifts=lifts,
        **arrays,
    )
