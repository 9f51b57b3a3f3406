"""A model as one safetensors file and one JSON file, both under a SHA-256 digest; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

from detectors.contract import ModelFileError

FORMAT = 2
"""1 held targets and noises of a regression; 2 holds what each answer was found to say."""
ARRAYS, DESCRIPTION = "arrays.safetensors", "model.json"
Arrays = Mapping[str, npt.NDArray[Any]]


def write(directory: Path, *, signature: str, arrays: Arrays, facts: Mapping[str, Any]) -> None:
    """Write the arrays and the facts (plain JSON values) under this signature ("anomalies")."""
    data = tensor_bytes({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    body = {
        "format": FORMAT,
        "signature": signature,
        "arrays_sha256": hashlib.sha256(data).hexdigest(),
        "facts": facts,
    }
    (directory / ARRAYS).write_bytes(data)
    (directory / DESCRIPTION).write_text(json.dumps({"sha256": _digest(body), "body": body}, indent=1))


def read(directory: Path, *, signature: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The arrays and facts that `write` wrote.

    Raises ModelFileError if a file is missing or damaged, of another signature, or of another format.
    """
    try:
        described = json.loads((directory / DESCRIPTION).read_text())
        data = (directory / ARRAYS).read_bytes()
        body, digest = described["body"], described["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"the model in {directory.name} is missing a part or damaged") from error
    if _digest(body) != digest or hashlib.sha256(data).hexdigest() != body.get("arrays_sha256"):
        raise ModelFileError(f"the model in {directory.name} is damaged: its digest does not match")
    if body.get("signature") != signature:
        raise ModelFileError(f"the model in {directory.name} is of {body.get('signature')!r}, not {signature!r}")
    if body.get("format") != FORMAT:
        raise ModelFileError(f"the model in {directory.name} has format {body.get('format')}; this code reads {FORMAT}")
    try:
        return read_tensors(data), body["facts"]
    except (SafetensorError, KeyError) as error:
        raise ModelFileError(f"the model in {directory.name} cannot be read") from error


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
