"""Why the order is as it is: how much each part may add, and which members the verdicts proved right."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.anomalies.discovery import LEAF_SHARE, Discovery


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the order. most: what it can add to a record's place, in units of a probability."""

    name: str
    most: float
    detail: str


@dataclass(frozen=True, slots=True)
class MemberWeight:
    """How a member's say changed. before, now: in standard deviations of f for one of the member's normal score."""

    name: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an order.

    answers, confirmed: verdicts taken in. believed: anomalies among them, each counted as far as it is believed.
    """

    answers: int
    confirmed: int
    believed: float
    parts: tuple[Part, ...]
    members: tuple[MemberWeight, ...]


def standing(discovery: Discovery) -> Standing:
    """Account for a table's order after the verdicts so far."""
    answers, believed = discovery.answers.values(), discovery.found
    parts = (
        Part("similar records", 1.0, "the chance that a record is an anomaly, by the verdicts on records like it"),
        Part("leaf weights", LEAF_SHARE, "the leaves of the forest, weighed by what was confirmed and dismissed"),
    )
    before, now = discovery.similarity.member_weights()
    weights = zip(("all members together", *discovery.table.names), before.tolist(), now.tolist(), strict=True)
    members = tuple(MemberWeight(*one) for one in weights)
    return Standing(len(discovery.answers), sum(one.confirmed for one in answers), believed, parts, members)
