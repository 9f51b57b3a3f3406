"""What a given name usually tells of a person's gender, by the US census of 1990.

A table's own records teach what a class of names stands for ("F", "Frau", "Mrs"); the census only sorts names that
the table holds too rarely to know.
"""

from __future__ import annotations

from functools import cache

from detectors.formats.known_names import MEN, WOMEN, census

CLASSES = (0.01, 0.1, 0.4, 0.6, 0.9, 0.99)
"""Shares of bearers who are women at which one class of names ends and the next begins."""


def usual_gender(name: str) -> str:
    """The class of a given name from "0" (men only) to "6" (women only); "" if the census does not hold it.

    Only the first word counts ("mary ann"); case does not.
    """
    words = name.upper().replace("-", " ").replace(".", " ").split()
    share = next((_women()[word] for word in words if word in _women()), None)
    return "" if share is None else str(sum(share > edge for edge in CLASSES))


@cache
def _women() -> dict[str, float]:
    """Name in upper case -> share of its bearers who are women; 5,494 names."""
    female, male = _frequencies(WOMEN), _frequencies(MEN)
    return {
        name: female.get(name, 0.0) / (female.get(name, 0.0) + male.get(name, 0.0))
        for name in sorted(female.keys() | male.keys())
    }


def _frequencies(file: str) -> dict[str, float]:
    """Name -> per cent of the people of that gender; a name of less than a thousandth counts as half of that."""
    return {name: max(share, 0.0005) for name, share in census(file).items()}
