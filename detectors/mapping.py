"""Which role does a column hold? Decided by its name, a near name, and what its cells look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from detectors.roles import Role


@dataclass(frozen=True, slots=True)
class Guess:
    """A column's most likely role; confidence in [0, 1]; why, in words a person reads."""

    role: Role
    confidence: float
    why: str


def guess_roles(frame: pd.DataFrame, *, kind: str = "") -> Mapping[str, Guess]:
    """The likely role of every column of a frame of text cells; `Role.IGNORE` where nothing fits."""
    raise NotImplementedError
