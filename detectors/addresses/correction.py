"""What the place, region and postcode of a record should be: a posterior over the places that could have been meant.

Every candidate place explains the record through a channel a part: typed right, mistyped, another usual name, blank,
or simply another value; beside them stand the hypotheses "a real name the table does not list" and "a postcode it does
not list", so that unknown places are left alone. Weights are log probabilities of a generative model (below); the
posterior of a part is then put right by isotonic calibration, learned on records we corrupt ourselves (recipe.py).

Candidates: the given code's area, codes one typing error away, the place in its region by exact or near name, the same
name in other regions where the code speaks for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from detectors.addresses.gazetteer import Gazetteer, PostcodeArea, Standing, kilometres
from detectors.addresses.proposing import Correction, Hypothesis, corrections_of, merged
from detectors.addresses.standardising import abbreviated, place_key, plain
from detectors.addresses.triples import Seen, Triple

PLACE_PARTS = ("city", "region", "postcode")


@dataclass(frozen=True, slots=True)
class Channel:
    """How often people err, as natural logarithms of probabilities; orders of magnitude, calibrated afterwards.

    typo: a part holds one typing error; each further one costs `again`. keys: log of the ways to make one error a
    letter. letter: of one letter of a name nobody listed. other: another known value altogether.
    """

    typo: float = math.log(0.02)
    again: float = math.log(0.08)
    keys: float = math.log(50)
    letter: float = -2.5
    unlisted: float = math.log(0.02)
    foreign: float = math.log(0.02)
    near_name: float = math.log(1 / 60)
    other_city: float = math.log(0.003 / 1500)
    other_text: float = math.log(0.002)
    avoided: float = math.log(0.1)
    accepted: float = math.log(0.3)
    region_typo: float = math.log(0.002 / 50)
    other_region: float = math.log(0.004 / 60)
    code_typo: float = math.log(0.01 / 60)
    code_swap: float = math.log(0.003 / 4)
    lost_zero: float = math.log(0.005)
    other_code: float = math.log(0.005 / 42000)
    new_code: float = math.log(0.003 / 1000)


CHANNEL = Channel()
_NEAR_KM = 40.0


class Corrector:
    """Judges triples against one gazetteer; the same triple is judged once."""

    def __init__(self, table: Gazetteer, channel: Channel = CHANNEL) -> None:
        self.table = table
        self.channel = channel
        self.judge = lru_cache(maxsize=100_000)(self._judge)

    def fits(self, triple: Triple) -> bool:
        """Whether two parts of it agree with the table, in the city's case nearly: it is of this country."""
        area = self.table.area(triple.postcode[: self.table.postcode_digits])
        region, key = self.table.region_code(triple.region) if triple.region else None, place_key(triple.city)
        if area and (region == area.region or key in area.names):
            return True
        if not region or not key or len(key) > 40:
            return False
        return bool(self.table.postcodes(key, region) or self.table.similar(key, region, _most_edits(len(key))))

    def _judge(self, triple: Triple) -> tuple[Correction, ...]:
        seen = Seen.of(triple, self.table)
        if seen is None or seen.is_right():
            return ()
        hypotheses = list(merged(self._hypotheses(seen)))
        if not hypotheses:
            return ()
        return tuple(corrections_of(seen, hypotheses, self.table))

    def _hypotheses(self, seen: Seen) -> Iterator[Hypothesis]:
        if seen.area:
            yield from self._in_area(seen, seen.area, 0.0)
            if seen.key and not seen.region:
                # Five digits are a postcode elsewhere too: Berlin, Bayern, 10115 is not in New York.
                weight = self.channel.foreign + self.channel.letter * len(seen.key)
                yield Hypothesis(weight if seen.region_text else weight + self.channel.avoided, None, "", seen.code)
        if seen.code:
            yield from self._mistyped_code(seen)
        if seen.key:
            yield from self._by_name(seen)
        yield from self._unlisted_code(seen)

    def _mistyped_code(self, seen: Seen) -> Iterator[Hypothesis]:
        """The postcode holds a typing error; of a place nobody lists there is only the region to say which."""
        nameless = 0
        for area, weight in self._areas_near(seen.code):
            if seen.speaks_for(area):
                yield from self._in_area(seen, area, weight)
            elif area.region == seen.region:
                nameless += 1
        if nameless and seen.key and not self.table.postcodes(seen.key, seen.region):
            weight = self.channel.code_typo + math.log(nameless) + self._unlisted_anywhere(seen)
            yield Hypothesis(weight, None, seen.region, "")

    def _unlisted_anywhere(self, seen: Seen) -> float:
        """log P(the city as typed | a place that the table does not list)."""
        if seen.known_elsewhere:
            return self.channel.unlisted + self.channel.near_name
        return self.channel.unlisted + self.channel.letter * len(seen.key)

    def _in_area(self, seen: Seen, area: PostcodeArea, code_weight: float) -> Iterator[Hypothesis]:
        """The record means this area: under its best-fitting name, its preferred name, or one nobody listed."""
        weight = code_weight + self._region_weight(seen, area.region) + math.log(area.share)
        if not seen.key:
            yield Hypothesis(weight, area.preferred, area.region, area.postcode)
            return
        for key, standing in area.names.items():
            fit = self._name_weight(seen, key, area.spelled[key])
            if fit is not None:
                fit += (0.0, self.channel.accepted, self.channel.avoided)[standing]
                city = None if key == seen.key else _spelled_out(area, key)
                yield Hypothesis(weight + fit, city, area.region, area.postcode)
        if seen.key not in area.names:
            yield Hypothesis(weight + self._unlisted_weight(seen, area), None, area.region, area.postcode)
            wrong = self.channel.other_city
            if not seen.known_elsewhere:
                wrong = self.channel.other_text + self.channel.letter * len(seen.key)
            yield Hypothesis(weight + wrong, area.preferred, area.region, area.postcode)

    def _by_name(self, seen: Seen) -> Iterator[Hypothesis]:
        """The record means a place of its region by name; its postcode is blank, or another's."""
        regions = [seen.region] if seen.region else list(self.table.regions_of(seen.key))
        for region in regions:
            names = [(seen.key, 0)] if self.table.postcodes(seen.key, region) else []
            if not names and len(seen.key) >= 4:
                names = list(self.table.similar(seen.key, region, _most_edits(len(seen.key))))[:6]
            for key, _ in names:
                yield from self._named(seen, key, region)

    def _named(self, seen: Seen, key: str, region: str) -> Iterator[Hypothesis]:
        spelled = self.table.spelling(key, region)
        fit = self._name_weight(seen, key, spelled)
        codes = self.table.postcodes(key, region)
        if fit is None or seen.code in codes:
            return
        weight = fit + self._region_weight(seen, region) + (self.channel.other_code if seen.code else 0.0)
        city = None if key == seen.key else spelled
        areas = [area for area in map(self.table.area, codes) if area]
        likely = max(areas, key=lambda area: area.share)
        rest = sum(area.share for area in areas) - likely.share
        if sum(area.share == likely.share for area in areas) == 1:
            yield Hypothesis(weight + math.log(likely.share), city, region, likely.postcode)
        else:
            rest += likely.share
        if rest > 0.0:
            yield Hypothesis(weight + math.log(rest), city, region, "")

    def _unlisted_code(self, seen: Seen) -> Iterator[Hypothesis]:
        """Everything is as it says, and the table does not know the postcode or, without one, the name."""
        if seen.area:
            return
        listed = self.table.postcodes(seen.key, seen.region)
        if listed and not seen.code:
            return
        weight = self._new_code_weight(seen) if seen.code else 0.0
        if listed:
            weight += min(self._standing_weight(seen.key, code) for code in listed)
        else:
            weight += self.channel.unlisted + self.channel.letter * len(seen.key) + math.log(1500)
        well_formed = not seen.code or (seen.code.isdigit() and len(seen.code) == self.table.postcode_digits)
        yield Hypothesis(weight, None, seen.region, seen.code if well_formed else "")

    def _new_code_weight(self, seen: Seen) -> float:
        if len(seen.code) != self.table.postcode_digits or not seen.code.isdigit():
            return self.channel.other_code
        usual = self.table.serves(seen.code[:3], seen.region)
        return self.channel.new_code if usual else self.channel.new_code - 4.0

    def _standing_weight(self, key: str, code: str) -> float:
        area = self.table.area(code)
        standing = area.names.get(key, Standing.AVOIDED) if area else Standing.AVOIDED
        return (0.0, self.channel.accepted, self.channel.avoided)[standing]

    def _region_weight(self, seen: Seen, region: str) -> float:
        if not seen.region_text or seen.region == region:
            return 0.0
        if not seen.region and OSA.distance(seen.region_letters, region) <= 1:
            return self.channel.region_typo
        name = plain(self.table.region_names().get(region, "")).replace(" ", "")
        if not seen.region and OSA.distance(seen.region_letters, name) <= 2:
            return self.channel.region_typo
        return self.channel.other_region

    def _name_weight(self, seen: Seen, key: str, spelled: str) -> float | None:
        """log P(the record's city as typed | this name); None if it is no likely misspelling of it."""
        if key == seen.key:
            return 0.0
        edits = OSA.distance(seen.key, key, score_cutoff=3)
        if edits > 1:
            edits = min(edits, OSA.distance(seen.letters, abbreviated(spelled), score_cutoff=3))
        if edits > _most_edits(len(key)):
            return _cut_short(seen.key, key)
        errors = self.channel.keys + math.log(len(key))
        return self.channel.typo - errors + (edits - 1) * (self.channel.again - errors)

    def _unlisted_weight(self, seen: Seen, area: PostcodeArea) -> float:
        """log P(the city as typed | the area, called by a name the table does not list for it)."""
        if not seen.known_elsewhere:
            return self.channel.unlisted + self.channel.letter * len(seen.key)
        homes = [self.table.area(code) for code in self.table.postcodes(seen.key, area.region)[:12]]
        points = [home.point for home in homes if home and home.point]
        if area.point and any(kilometres(area.point, point) <= _NEAR_KM for point in points):
            return self.channel.unlisted + self.channel.near_name
        return self.channel.other_city

    @lru_cache(maxsize=20_000)  # noqa: B019  one corrector lives as long as its detector
    def _areas_near(self, code: str) -> tuple[tuple[PostcodeArea, float], ...]:
        """The areas whose postcode is one typing error from this one (or has its lost leading zeros), with log P."""
        digits = self.table.postcode_digits
        found: dict[str, float] = {}
        if len(code) < digits:
            found[code.zfill(digits)] = self.channel.lost_zero
        if len(code) == digits:
            for at, digit in enumerate(code):
                found |= {code[:at] + new + code[at + 1 :]: self.channel.code_typo for new in _DIGITS if new != digit}
            for at in range(digits - 1):
                found[code[:at] + code[at + 1] + code[at] + code[at + 2 :]] = self.channel.code_swap
        if len(code) == digits - 1:
            for at in range(digits):
                for new in _DIGITS:
                    found.setdefault(code[:at] + new + code[at:], self.channel.code_typo)
        if len(code) == digits + 1:
            found |= {code[:at] + code[at + 1 :]: self.channel.code_typo for at in range(digits + 1)}
        found.pop(code, None)
        areas = ((self.table.area(near), weight) for near, weight in found.items())
        return tuple((area, weight) for area, weight in areas if area)


_DIGITS = "0123456789"


def _most_edits(length: int) -> int:
    """Typing errors beyond which a name of this length is no longer recognised."""
    return 1 if length < 5 else 2 if length < 9 else 3


def _cut_short(typed: str, name: str) -> float | None:
    """log P of a name cut off ("SPRINGF"); None if it is not one. Cut names are rarer than typing errors."""
    if len(typed) >= 5 and name.startswith(typed):
        return math.log(0.002) - 0.3 * (len(name) - len(typed))
    return None


def _spelled_out(area: PostcodeArea, key: str) -> str:
    """The name as written; the preferred one for a postal abbreviation of it ("Hendersonvlle")."""
    letters = iter(place_key(area.preferred))
    shortened = area.names[key] and key[0] == area.preferred[:1].upper() and len(key) >= 8
    if shortened and all(mark in letters for mark in key):
        return area.preferred
    return area.spelled[key]
