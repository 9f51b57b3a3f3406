"""Models on disk: one JSON file that carries its format and a digest; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detectors.contract import ModelFileError
from detectors.duplicates.links import Links
from detectors.duplicates.scoring import Model
from detectors.duplicates.survivorship import Rule

FILE = "duplicates.json"
FORMAT = 1
_ARRAYS = ("chances", "priors", "trust", "by_chance")


def save(directory: Path, models: Mapping[str, Model], links: Links, rules: Mapping[str, Rule]) -> None:
    """Write models, links and rules to one file in the directory."""
    state = {
        "models": {entity: _model_to_plain(model) for entity, model in models.items()},
        "same": sorted(links.same),
        "different": sorted(links.different),
        "rejected": sorted(links.rejected),
        "rules": {name: rule.value for name, rule in rules.items()},
    }
    text = json.dumps(state, sort_keys=True)
    whole = {"format": FORMAT, "digest": hashlib.sha256(text.encode()).hexdigest(), "state": text}
    (directory / FILE).write_text(json.dumps(whole), encoding="utf-8")


def load(directory: Path) -> tuple[dict[str, Model], Links, dict[str, Rule]]:
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
        state = json.loads(text)
        models = {entity: _model_from_plain(entity, plain) for entity, plain in state["models"].items()}
        links = Links(*(frozenset(map(tuple, state[name])) for name in ("same", "different", "rejected")))
        return models, links, {name: Rule(rule) for name, rule in state["rules"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{FILE} holds something else than a model: {error}") from error


def _model_to_plain(model: Model) -> dict[str, Any]:
    plain: dict[str, Any] = {name: getattr(model, name).tolist() for name in _ARRAYS}
    return plain | {"keys": model.keys, "steps": model.steps, "converged": model.converged, "matches": model.matches}


def _model_from_plain(entity: str, plain: dict[str, Any]) -> Model:
    arrays = {name: np.array(plain[name], dtype=np.float64) for name in _ARRAYS}
    if arrays["chances"].shape[1:] != (4, 8) or len(arrays["chances"]) != len(plain["keys"]):
        raise ValueError("the arrays do not fit the comparisons")
    return Model(
        entity,
        tuple(plain["keys"]),
        steps=plain["steps"],
        converged=plain["converged"],
        matches=plain["matches"],
        **arrays,
    )
