"""A whole address typed into the street column, beside blank columns for its parts: it is put where it belongs."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.addresses.correction import Corrector
from detectors.addresses.parsing import ParsedAddress
from detectors.addresses.standardising import place_key
from detectors.addresses.triples import Triple


@dataclass(frozen=True, slots=True)
class Split:
    """street: what is left of the line, "" if nothing. parts: part -> text for the columns that are blank.

    score: probability that every part is read right.
    """

    street: str
    parts: dict[str, str]
    score: float


def split(parsed: ParsedAddress, given: Triple, corrector: Corrector) -> Split | None:
    """The parts that the line holds and the record lacks; None if they are no place, or not the record's own.

    Wanted are the city or the postcode, and the gazetteer must know the place. What the record says already must be
    what the line says: else nobody knows which is right.
    """
    found = Triple(parsed.place, parsed.region, parsed.postcode)
    parts = {
        part: getattr(found, part)
        for part in ("city", "region", "postcode")
        if getattr(found, part) and not getattr(given, part).strip()
    }
    if not {"city", "postcode"} & parts.keys() or not _agree(found, given, corrector) or not corrector.fits(found):
        return None
    return Split(parsed.street, parts, min(parsed.confidence.values(), default=0.0))


def _agree(found: Triple, given: Triple, corrector: Corrector) -> bool:
    """Whether each part that the record has is in the line, and the same there."""
    table = corrector.table
    return (
        (not given.city.strip() or place_key(given.city) == place_key(found.city))
        and (not given.region.strip() or table.region_code(given.region) == table.region_code(found.region))
        and (not given.postcode.strip() or given.postcode.strip()[:5] == found.postcode[:5])
    )
