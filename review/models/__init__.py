"""What a person said."""

from review.models.decisions import Decision, PolicyVersion
from review.models.items import ReviewItem

__all__ = ["Decision", "PolicyVersion", "ReviewItem"]
