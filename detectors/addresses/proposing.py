"""From hypotheses about what was meant to corrections a person can read: value, posterior, rule, reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from detectors.addresses.gazetteer import Gazetteer
from detectors.addresses.standardising import place_key, plain
from detectors.addresses.triples import Seen, postcode_of


@dataclass(frozen=True, slots=True)
class Correction:
    """One part's better value.

    part: "city", "region" or "postcode". value: as the table writes it. raw: the uncalibrated posterior.
    rule: what kind of error it mends. reason: a sentence with the compared values. fills: the part is blank.
    alone: the record has no postcode to go by.
    """

    part: str
    value: str
    raw: float
    rule: str
    reason: str
    fills: bool = False
    alone: bool = False

    @property
    def curve(self) -> str:
        """The calibration curve it belongs to: its part's, apart for blanks and for records without postcode."""
        return f"{self.part}-blank" if self.fills else f"{self.part}-alone" if self.alone else self.part


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was meant. city: None keeps the record's own. postcode: "" where several are as likely."""

    weight: float
    city: str | None
    region: str
    postcode: str


def merged(hypotheses: Iterable[Hypothesis]) -> Iterator[Hypothesis]:
    """Each meaning once, with its likeliest explanation."""
    best: dict[tuple[str | None, str, str], Hypothesis] = {}
    for one in hypotheses:
        meaning = (one.city, one.region, one.postcode)
        if meaning not in best or one.weight > best[meaning].weight:
            best[meaning] = one
    yield from best.values()


def corrections_of(seen: Seen, hypotheses: list[Hypothesis], table: Gazetteer) -> Iterator[Correction]:
    top = max(hypotheses, key=lambda one: one.weight)
    weights = [math.exp(one.weight - top.weight) for one in hypotheses]
    total = sum(weights)

    def posterior(part: str) -> float:
        same = [
            weight for weight, one in zip(weights, hypotheses, strict=True) if getattr(one, part) == getattr(top, part)
        ]
        return sum(same) / total

    if top.city is None and (proper := _respaced(seen, top, table)):
        yield Correction(
            "city",
            proper,
            posterior("city"),
            "city-spelling",
            f"{proper} is written so; not {seen.triple.city.strip()}",
        )
    if top.city is not None and place_key(top.city) != seen.key:
        yield _city_correction(seen, top, posterior("city"))
    if top.region and top.region != seen.region:
        yield _region_correction(seen, top, posterior("region"), table)
    if top.postcode and top.postcode != postcode_of(seen.triple.postcode):
        yield _postcode_correction(seen, top, posterior("postcode"))


def _respaced(seen: Seen, top: Hypothesis, table: Gazetteer) -> str:
    """The name where only a space has moved ("NE WLONDON"); "" else: LaGrange and La Grange are both usual."""
    given = seen.triple.city.split()
    area = table.area(top.postcode) if top.postcode else None
    proper = area.spelled.get(seen.key, "") if area else ""
    moved = len(given) > 1 and len(proper.split()) == len(given)
    same_words = [place_key(word) for word in given] == [place_key(word) for word in proper.split()]
    return proper if moved and not same_words and plain(proper) != plain(seen.triple.city) else ""


def _city_correction(seen: Seen, top: Hypothesis, raw: float) -> Correction:
    city = top.city or ""
    home = f"{city}, {top.region}"
    if not seen.key:
        return Correction("city", city, raw, "city-from-postcode", f"{top.postcode} is {home}; the city is blank", True)
    given = seen.triple.city.strip()
    near = OSA.distance(seen.key, place_key(city)) <= 3 or place_key(city).startswith(seen.key)
    source = f"{top.postcode} belongs to {home}" if top.postcode else f"{home} is a place"
    rule = "city-spelling" if near else "city-from-postcode"
    return Correction("city", city, raw, rule, f"{source}; the record says {given}", alone=not seen.code)


def _region_correction(seen: Seen, top: Hypothesis, raw: float, table: Gazetteer) -> Correction:
    given = seen.triple.region.strip()
    name = table.region_names().get(top.region, top.region)
    source = f"{top.postcode} is in {name}" if top.postcode else f"{seen.triple.city.strip()} is in {name}"
    says = f"the record says {given}" if given else "the region is blank"
    rule = "region-from-postcode" if top.postcode else "region-from-city"
    return Correction("region", top.region, raw, rule, f"{source}; {says}", not given, not seen.code)


def _postcode_correction(seen: Seen, top: Hypothesis, raw: float) -> Correction:
    given = seen.triple.postcode.strip()
    city = top.city or seen.triple.city.strip()
    home = f"{city}, {top.region}" if city else top.region
    if not given:
        reason = f"{home} has the postcode {top.postcode}; the record has none"
        return Correction("postcode", top.postcode, raw, "postcode-from-city", reason, True)
    says = f"{home} has {top.postcode}; the record says {given}"
    if seen.code.zfill(5) == top.postcode and seen.code != top.postcode:
        return Correction("postcode", top.postcode, raw, "postcode-leading-zero", f"A leading zero is lost: {says}")
    near = OSA.distance(seen.code, top.postcode) <= 1
    return Correction("postcode", top.postcode, raw, "postcode-typo" if near else "postcode-from-city", says)
