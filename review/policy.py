"""Where to cut, and which items come first: pure rules over plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Route(Enum):
    """What becomes of a finding."""

    DISCARD = "discard"
    REVIEW = "review"
    AUTO_ACCEPT = "auto_accept"


@dataclass(frozen=True, slots=True)
class Policy:
    """Score bounds of one detector. `accept_at` None: a person decides everything."""

    review_at: float
    accept_at: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.review_at <= 1:
            raise ValueError(f"review_at must lie in [0, 1], not {self.review_at}")
        if self.accept_at is not None and not self.review_at <= self.accept_at <= 1:
            raise ValueError(f"accept_at must lie in [review_at, 1], not {self.accept_at}")

    def route(self, score: float, *, correctable: bool = True) -> Route:
        """Where a finding of this score goes; what proposes no correction is never accepted by itself."""
        if correctable and self.accept_at is not None and score >= self.accept_at:
            return Route.AUTO_ACCEPT
        return Route.REVIEW if score >= self.review_at else Route.DISCARD


DEFAULTS = {
    "duplicates": Policy(0.5),
    "missing": Policy(0.7),
    "addresses": Policy(0.5),
    "formats": Policy(0.5),
    "conflicts": Policy(0.5),
    "anomalies": Policy(0.985),
    "sequences": Policy(0.9),
}
"""Before an admin or the decisions say otherwise; a person decides everything at first."""

FALLBACK = Policy(0.5)


def default_policy(detector: str) -> Policy:
    """The bounds that a detector starts with."""
    return DEFAULTS.get(detector, FALLBACK)
