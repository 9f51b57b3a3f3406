"""Where to cut, and which items come first: pure rules over plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DEFAULT_TARGET = 0.95
DEFAULT_AUDIT = 0.05


class Route(Enum):
    """What becomes of a finding."""

    DISCARD = "discard"
    REVIEW = "review"
    AUTO_ACCEPT = "auto_accept"


@dataclass(frozen=True, slots=True)
class Policy:
    """Score bounds of one detector. `accept_at` None: a person decides everything.

    target: the precision that the decisions must prove before anything is accepted by itself.
    audit_share: of the claims that could be accepted by themselves, the share that a person decides all the same.
    """

    review_at: float
    accept_at: float | None = None
    target: float = DEFAULT_TARGET
    audit_share: float = DEFAULT_AUDIT

    def __post_init__(self) -> None:
        if not 0 <= self.review_at <= 1:
            raise ValueError(f"review_at must lie in [0, 1], not {self.review_at}")
        if self.accept_at is not None and not self.review_at <= self.accept_at <= 1:
            raise ValueError(f"accept_at must lie in [review_at, 1], not {self.accept_at}")
        if not 0.5 <= self.target < 1:
            raise ValueError(f"target must lie in [0.5, 1), not {self.target}")
        if not 0 < self.audit_share <= 1:
            raise ValueError(f"audit_share must lie in (0, 1], not {self.audit_share}")

    def lowest(self, route: Route, *, correctable: bool = True) -> float | None:
        """The lowest score that takes this route; None if none does. Statements that sort rows use the same bounds.

        What proposes no correction is never accepted by itself.
        """
        match route:
            case Route.AUTO_ACCEPT:
                return self.accept_at if correctable else None
            case Route.REVIEW:
                return self.review_at
        return 0.0

    def route(self, score: float, *, correctable: bool = True) -> Route:
        """Where a finding of this score goes."""
        for route in (Route.AUTO_ACCEPT, Route.REVIEW):
            lowest = self.lowest(route, correctable=correctable)
            if lowest is not None and score >= lowest:
                return route
        return Route.DISCARD


def audited(fingerprint: str, share: float) -> bool:
    """Whether a person decides this claim though it could be accepted by itself: always the same answer for a claim.

    fingerprint: hexadecimal digest of the claim, as good as random.
    """
    return int(fingerprint[:8], 16) / 2**32 < share


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
