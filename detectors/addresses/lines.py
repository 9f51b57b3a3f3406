"""One address column: split the line, judge its parts, write the corrected parts back into the line."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from detectors.addresses.calibration import Calibration
from detectors.addresses.correction import Corrector
from detectors.addresses.parsing import AddressParser
from detectors.addresses.standardising import like
from detectors.addresses.streets import correct_street, probability
from detectors.addresses.triples import Triple

_SURE = 0.5


@dataclass(frozen=True, slots=True)
class LineCorrection:
    """The whole line put right; score: probability that all its changes are; reason: all reasons in one sentence."""

    value: str
    score: float
    reason: str


def correct_line(
    text: str, parser: AddressParser, corrector: Corrector, names: Collection[str], calibration: Calibration
) -> LineCorrection | None:
    """A correction of the line; None if nothing is wrong with it or it is not of the corrector's country."""
    parsed = parser.parse(text)
    if parsed.country not in {"", corrector.table.country} or not parsed.region + parsed.postcode:
        return None
    triple = Triple(parsed.place, parsed.region, parsed.postcode)
    if not corrector.fits(triple):
        return None
    value, score = text, 1.0
    reasons: list[str] = []
    for correction in corrector.judge(triple):
        part = {"city": "place"}.get(correction.part, correction.part)
        given = getattr(parsed, part)
        p = calibration(correction.curve, correction.raw) * parsed.confidence.get(part, 0.0)
        if given and p >= _SURE:
            proper = like(correction.value, given) + (given[5:] if part == "postcode" and len(given) == 10 else "")
            value = _replaced(value, given, proper)
            score, reasons = score * p, [*reasons, correction.reason]
    if parsed.street and (mended := correct_street(parsed.street, names)):
        p = probability(mended, calibration) * parsed.confidence.get("street", 0.0)
        if p >= _SURE:
            value = value.replace(parsed.street, mended.value, 1)
            score, reasons = score * p, [*reasons, f"{mended.given} should be {mended.proper}"]
    return LineCorrection(value, score, "; ".join(reasons)) if reasons and value != text else None


def _replaced(text: str, given: str, proper: str) -> str:
    """The last occurrence: the place stands behind a street that may be named after it."""
    at = text.rfind(given)
    return text[:at] + proper + text[at + len(given) :]
