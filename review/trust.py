"""How far a person's verdicts are trusted, and when their pace deserves a word: pure rules over plain counts."""

from __future__ import annotations

import statistics
import zlib
from collections.abc import Sequence

PRIOR_ERROR = 0.05
PRIOR_ANSWERS = 20.0
"""A person nobody has checked is taken to err in one of twenty; twenty known answers weigh as much as that guess."""

LATEST = 100
MOST_ACCEPTED = 0.98
FEWEST_SECONDS = 0.7
HIDDEN_AT_MOST = 0.5


def error_rate(wrong: int, answered: int) -> float:
    """The mean of the Beta posterior of a person's error rate, from known answers; "not sure" counts neither way.

    Source: Dawid and Skene, "Maximum likelihood estimation of observer error-rates", 1979, for error rates of people;
    the Beta prior keeps a few answers from deciding everything.
    """
    return (wrong + PRIOR_ERROR * PRIOR_ANSWERS) / (answered + PRIOR_ANSWERS)


def label_weight(error: float) -> float:
    """What a label of a person with this error rate weighs: 1 for the prior's or fewer errors, 0 from one half on.

    Linear in 1 - 2 x error: what a label flipped with that chance still says of the truth (Natarajan et al.,
    "Learning with noisy labels", 2013).
    """
    return min(1.0, max(0.0, (1 - 2 * error) / (1 - 2 * PRIOR_ERROR)))


def pace_alert(accepted: Sequence[bool], seconds: Sequence[float]) -> str:
    """A gentle word where nearly all of the last LATEST decisions were accepted or came very fast; "" if not.

    accepted, seconds: of the latest decisions made at a card, the newest first.
    """
    if len(accepted) < LATEST:
        return ""
    share = sum(accepted[:LATEST]) / LATEST
    middle = statistics.median(seconds[:LATEST])
    if middle < FEWEST_SECONDS:
        return f"Your last {LATEST} decisions took {middle:.1f} s each. A short look at the reasons may help."
    if share > MOST_ACCEPTED:
        return f"You accepted {share:.0%} of the last {LATEST}. Is everything right? A rule may be ready to go alone."
    return ""


def hides_score(item_id: int, share: float) -> bool:
    """Whether this card is shown without its score: always the same for a card."""
    return zlib.crc32(f"hidden {item_id}".encode()) / 2**32 < share
