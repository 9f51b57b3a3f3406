"""Prior opinions: how values agree among copies of one record, among strangers, and in the classes between.

All are weak: they keep the latent classes from trading places, and data outweigh them. None is tuned to a data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PEOPLE, ORGANISATIONS = "people", "organisations"
CLASSES = {
    PEOPLE: ("same person", "same household or office", "namesakes by chance", "unrelated"),
    ORGANISATIONS: ("same organisation", "same group", "same address only", "unrelated"),
}
"""Latent classes of a pair; the first is a match, the last is chance."""


@dataclass(frozen=True)
class Scale:
    """The levels of a kind of comparison in words, with prior opinions.

    words: what level 1, 2, ... means. agree, chance: probability of each level among copies and strangers.
    """

    words: tuple[str, ...]
    agree: tuple[float, ...]
    chance: tuple[float, ...]


NAME = Scale(
    ("different", "sound alike", "an initial that fits", "short form or part of the other", "nearly equal", "equal"),
    (0.05, 0.02, 0.03, 0.04, 0.09, 0.77),
    (0.93, 0.03, 0.01, 0.01, 0.01, 0.01),
)
SHORT = Scale(("different", "alike", "nearly equal", "equal"), (0.10, 0.03, 0.07, 0.80), (0.97, 0.02, 0.005, 0.005))
CODE = Scale(("different", "alike", "nearly equal", "equal"), (0.08, 0.03, 0.07, 0.82), (0.9885, 0.01, 0.001, 0.0005))
FEW = Scale(("different", "alike", "nearly equal", "equal"), (0.06, 0.02, 0.02, 0.90), (0.68, 0.01, 0.01, 0.30))
DATE = Scale(
    (
        "different",
        "same year only",
        "two of three parts agree, or all are at most one off",
        "one digit off, or day and month exchanged",
        "equal",
    ),
    (0.05, 0.02, 0.03, 0.06, 0.84),
    (0.96, 0.02, 0.018, 0.0015, 0.0005),
)
NUMBER = Scale(("different", "near", "very near", "equal"), (0.1, 0.05, 0.1, 0.75), (0.85, 0.08, 0.04, 0.03))
EMAIL = Scale(
    ("different", "same local part at another domain", "nearly equal", "equal"),
    (0.25, 0.04, 0.08, 0.63),
    (0.9988, 0.0008, 0.0002, 0.0002),
)
SEVERAL = Scale(
    (
        "different",
        "some words agree",
        "half of the words agree",
        "one within the other",
        "most words agree",
        "nearly equal",
        "equal",
    ),
    (0.05, 0.05, 0.07, 0.10, 0.12, 0.14, 0.47),
    (0.93, 0.04, 0.012, 0.008, 0.004, 0.003, 0.003),
)
LINE = Scale(
    (
        "different",
        "only number or part of the street agrees",
        "same street, other number",
        "same street, number nearly equal",
        "same street, number unknown",
        "same number, street alike",
        "equal",
    ),
    (0.09, 0.04, 0.04, 0.05, 0.06, 0.16, 0.56),
    (0.965, 0.025, 0.006, 0.001, 0.001, 0.001, 0.001),
)
PLACE = Scale(
    (
        "different",
        "same region only",
        "same town, other postcode",
        "one of postcode and town nearly agrees",
        "same town",
        "postcode agrees",
        "postcode and town agree",
    ),
    (0.06, 0.03, 0.03, 0.05, 0.06, 0.12, 0.65),
    (0.85, 0.10, 0.02, 0.01, 0.01, 0.005, 0.005),
)


Shared = tuple[float | None, float | None]
"""For the second and third class: the share of its pairs that agrees as copies do; None = as strangers do."""

NAMESAKE = 1.0
"""The share of a class that agrees as copies of one record do."""

SHARED: Mapping[str, Mapping[str, Shared]] = {
    PEOPLE: {
        "given": (0.01, 1.0),
        "birth": (0.02, None),
        "age": (0.05, None),
        "middle": (0.02, None),
        "family": (0.7, 1.0),
        "gender": (0.01, 1.0),
        "national": (0.01, None),
        "email": (0.08, None),
        "phone": (0.5, None),
        "address": (0.85, None),
        "unit": (0.85, None),
        "fax": (0.6, None),
        "place": (0.95, None),
        "company": (0.4, None),
        "website": (0.4, None),
        "other": (0.5, None),
    },
    ORGANISATIONS: {
        "name": (0.7, None),
        "email": (0.3, 0.15),
        "phone": (0.25, 0.3),
        "website": (0.7, 0.15),
        "address": (None, 0.9),
        "unit": (None, 0.5),
        "fax": (0.25, 0.3),
        "place": (0.3, 0.95),
        "tax": (0.3, None),
        "industry": (0.8, 0.2),
        "other": (0.5, 0.3),
    },
}
"""Kind of entity -> comparison -> shares of its second and third class; a comparison not named agrees by chance."""
