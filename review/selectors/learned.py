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
from review.models import ReviewItem
from review.services import reweighting


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
        detector = reweighting.current(version)
    except (ModelFileError, UnknownDetector) as error:
        return Learned(failed=str(error))
    if not isinstance(detector, AnomalyDetector):
        return Learned()
    rules = tuple(Confirmed(number, rule, _refused(detector, rule)) for number, rule in enumerate(detector.rules()))
    return Learned(detector.standing(), rules)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature adds to the score, in thousandths, with its standard error; share: of the largest, 0 to 100."""

    name: str
    added: float
    error: float
    share: int


@dataclass(frozen=True, slots=True)
class Contributions:
    """A score taken apart. usual, score: in thousandths. refused: why there is none."""

    rows: tuple[Contribution, ...] = ()
    usual: float = 0.0
    score: float = 0.0
    refused: str = ""


def contributions(item: ReviewItem) -> Contributions:
    """The Shapley values of an anomaly's record, by the version that serves; the strongest first."""
    version = ModelVersion.objects.filter(
        source=item.source_id, detector=item.detector, state=ModelVersion.State.ACTIVE
    ).first()
    if version is None:
        return Contributions(refused="No model serves this source yet: the first run or training makes one.")
    try:
        detector = reweighting.current(version)
    except (ModelFileError, UnknownDetector) as error:
        return Contributions(refused=f"The model cannot be read: {error}.")
    found = detector.shapley(item.finding.subjects[0]) if isinstance(detector, AnomalyDetector) else None
    if found is None or not isinstance(detector, AnomalyDetector):
        return Contributions(refused="The serving model does not know this record; after its next training it will.")
    strongest = max(1e-12, float(abs(found.values).max()))
    rows = [
        Contribution(feature.name, 1000 * value, 1000 * error, round(100 * abs(value) / strongest))
        for feature, value, error in zip(detector.columns, found.values.tolist(), found.error.tolist(), strict=True)
    ]
    return Contributions(tuple(sorted(rows, key=lambda one: -abs(one.added))), 1000 * found.usual, 1000 * found.score)


def bounds(version: ModelVersion, words: str) -> list[Bound]:
    """The bounds of the rule that reads so. Raises LookupError if the version has none, as after a further verdict."""
    detector = reweighting.current(version)
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
