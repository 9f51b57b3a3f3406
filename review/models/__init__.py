"""What a person said."""

from review.models.checks import CheckAnswer, CheckShares, KnownAnswer
from review.models.decisions import Decision
from review.models.figures import SourceFigures
from review.models.items import ReviewItem
from review.models.policies import Gate, PolicyVersion

__all__ = [
    "CheckAnswer",
    "CheckShares",
    "Decision",
    "Gate",
    "KnownAnswer",
    "PolicyVersion",
    "ReviewItem",
    "SourceFigures",
]
