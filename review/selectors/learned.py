"""What a model version learned, for its page: the parts of its order, the members that proved right, rules."""

from __future__ import annotations

from dataclasses import dataclass

from crmquality.models import ModelVersion
from detectors.anomalies.detector import AnomalyDetector
from detectors.anomalies.rules import Rule
from detectors.anomalies.standing import Standing
from detectors.contract import ModelFileError
from detectors.registry import UnknownDetector
from detectors.rules.boxes import Bound, bounds_of, conditions_of
from review.services import feedback


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A rule that describes confirmed anomalies. refused: why it makes no standing check; "" if it does."""

    number: int
    rule: Rule
    refused: str


@dataclass(frozen=True, slots=True)
class Learned:
    """standing: None for a detector that gives no account of its order. failed: why the version cannot be read."""

    standing: Standing | None = None
    rules: tuple[Confirmed, ...] = ()
    failed: str = ""


def learned(version: ModelVersion) -> Learned:
    """What the version says of itself, decisions since its making taken in where it serves."""
    try:
        detector = feedback.current(version)
    except (ModelFileError, UnknownDetector) as error:
        return Learned(failed=str(error))
    if not isinstance(detector, AnomalyDetector):
        return Learned()
    rules = tuple(Confirmed(number, rule, _refused(detector, rule)) for number, rule in enumerate(detector.rules()))
    return Learned(detector.standing(), rules)


def bounds(version: ModelVersion, words: str) -> list[Bound]:
    """The bounds of the rule that reads so. Raises LookupError if the version has none, as after a further verdict."""
    detector = feedback.current(version)
    rules = detector.rules() if isinstance(detector, AnomalyDetector) else []
    rule = next((one for one in rules if str(one) == words), None)
    if rule is None or not isinstance(detector, AnomalyDetector):
        raise LookupError(words)
    return bounds_of(rule, detector.columns)


def _refused(detector: AnomalyDetector, rule: Rule) -> str:
    try:
        conditions_of(bounds_of(rule, detector.columns))
    except ValueError as error:
        return str(error)
    return ""
