"""What a person said."""

from review.models.alarms import AlarmNote
from review.models.batches import BatchMember, DecisionBatch
from review.models.checks import CheckAnswer, CheckShares, KnownAnswer
from review.models.decisions import Decision
from review.models.desk import Comment, DailyBudget, SavedView
from review.models.figures import SourceFigures
from review.models.items import ReviewItem, Skip
from review.models.lots import AcceptanceRule, Lot, LotItem
from review.models.own import Question, VerifiedValue
from review.models.policies import Gate, PolicyVersion
from review.models.resets import RuleReset

__all__ = [
    "AcceptanceRule",
    "AlarmNote",
    "BatchMember",
    "CheckAnswer",
    "CheckShares",
    "Comment",
    "DailyBudget",
    "Decision",
    "DecisionBatch",
    "Gate",
    "KnownAnswer",
    "Lot",
    "LotItem",
    "PolicyVersion",
    "Question",
    "ReviewItem",
    "RuleReset",
    "SavedView",
    "Skip",
    "SourceFigures",
    "VerifiedValue",
]
