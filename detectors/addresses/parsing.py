"""Splits an address line into street, place, region and postcode by reading it from the right.

Every reading (postcode, region, place, where the street ends) has a cost in nats: what the gazetteer says about the
names, typing errors, and how well the separators and the street's end fit. The cheapest reading wins; a
confidence a part is the share of the readings, weighted by exp(-cost), that agree on the part. Where the table
leaves it open (a place it does not know, two readings near each other), a small spaCy tagger adds its word.

Measured on composed addresses before this was built: a CRF (usaddress) .93 whole addresses right, a spaCy tagger alone
.98, reading from the right against a table .999. Rejected: strict rules in sequence (postcode, then region, then
the longest place suffix); one typo in the region sent everything after it wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import OSA

from detectors.addresses.gazetteer import Gazetteer, PostcodeArea, kilometres, us_gazetteer
from detectors.addresses.standardising import (
    abbreviated,
    directional_words,
    place_key,
    street_type_words,
    unit_words,
)
from detectors.addresses.tagging import Tagger, trained_tagger
from detectors.addresses.tokens import Word, split_words
from detectors.addresses.worldwide import read_abroad, trailing_country

PARTS = ("street", "place", "region", "postcode")
_US = frozenset({"US", "PR", "VI", "GU", "AS", "MP", "FM", "MH", "PW"})


@dataclass(frozen=True, slots=True)
class ParsedAddress:
    """The parts of an address line as they stand in it; "" where there is none.

    country: ISO code where the line names one or its postcode tells it, else "".
    confidence: part -> probability in [0, 1] that it is read right.
    """

    street: str = ""
    place: str = ""
    region: str = ""
    postcode: str = ""
    country: str = ""
    confidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Words [0, place) are the street, [place, region) the place, [region, code) the region, [code, end) the code.

    `tail`: the street stands behind the postcode instead, words [end, tail).
    """

    cost: float
    place: int
    region: int
    code: int
    end: int
    tail: int


@dataclass(frozen=True, slots=True)
class _Line:
    """A text under reading: its words, what it could be, the country it names."""

    text: str
    words: list[Word]
    country: str
    readings: list[_Reading]


class AddressParser:
    """Reads address lines against a gazetteer; never raises on a line.

    gazetteer: the table of the home country. tagger: settles what the table leaves open; None: the table alone.
    """

    def __init__(self, gazetteer: Gazetteer | None = None, tagger: Tagger | None = None, *, tag: bool = True) -> None:
        self.gazetteer = gazetteer or us_gazetteer()
        self._tagger = tagger
        self._tag = tag

    def parse(self, text: str) -> ParsedAddress:
        """One line."""
        return next(self.parse_many([text]))

    def parse_many(self, texts: Iterable[str]) -> Iterator[ParsedAddress]:
        """Each line in order; the tagger sees only those that the table leaves open, a thousand lines at a time."""
        waiting: list[_Line] = []
        for text in texts:
            waiting.append(self._read(text))
            if len(waiting) == 1000:
                yield from self._settle(waiting)
                waiting = []
        yield from self._settle(waiting)

    def _read(self, text: str) -> _Line:
        words = split_words(text)
        country, end = trailing_country(words)
        readings = list(_readings(words[:end], self.gazetteer)) if not country or country in _US else []
        return _Line(text, words[:end], country, sorted(readings, key=lambda reading: reading.cost)[:_KEPT])

    def _settle(self, lines: Sequence[_Line]) -> Iterator[ParsedAddress]:
        open_lines = [line for line in lines if self._tag and line.readings and _is_open(line.readings)]
        opinions = {}
        if open_lines:
            tagger = self._tagger or trained_tagger()
            tagged = tagger.street_and_place([[word.plain for word in line.words] for line in open_lines])
            opinions = {id(line): opinion for line, opinion in zip(open_lines, tagged, strict=True)}
        for line in lines:
            readings = line.readings
            if opinion := opinions.get(id(line)):
                readings = [_weighed(reading, opinion) for reading in readings]
            abroad = read_abroad(line.text, line.words, line.country) if _try_abroad(line) else None
            yield ParsedAddress(**abroad) if abroad else _chosen(line, readings)


_KEPT = 24
_CLEAR, _MARGIN = 3.0, 2.0
_TAGGER_TRUST = 0.3


def _is_open(readings: Sequence[_Reading]) -> bool:
    best = readings[0].cost
    return best > _CLEAR or (len(readings) > 1 and readings[1].cost - best < _MARGIN)


def _weighed(reading: _Reading, opinion: Sequence[tuple[float, float]]) -> _Reading:
    """The reading with the tagger's surprise added: opinion[i] = log P(word i is street), log P(it is place)."""
    street = sum(opinion[at][0] for at in range(reading.place))
    street += sum(opinion[at][0] for at in range(reading.end, reading.tail))
    place = sum(opinion[at][1] for at in range(reading.place, reading.region))
    cost = reading.cost - _TAGGER_TRUST * (street + place)
    return _Reading(cost, reading.place, reading.region, reading.code, reading.end, reading.tail)


def _try_abroad(line: _Line) -> bool:
    """Whether another country's rules should be tried: it is named, or no home reading has a region or known place."""
    if line.country:
        return line.country not in _US
    return not line.readings or line.readings[0].cost > _FOREIGN


_FOREIGN = 9.0


def _chosen(line: _Line, readings: Sequence[_Reading]) -> ParsedAddress:
    if not readings:
        return ParsedAddress(street=_slice(line, 0, len(line.words)), confidence=dict.fromkeys(PARTS, 0.0))
    best = min(readings, key=lambda reading: reading.cost)
    weights = [(math.exp(best.cost - reading.cost), reading) for reading in readings]
    total = sum(weight for weight, _ in weights) + math.exp(best.cost - _NONE)

    def share(*names: str) -> float:
        same = [getattr(best, name) for name in names]
        return sum(weight for weight, one in weights if [getattr(one, name) for name in names] == same) / total

    street = _slice(line, 0, best.place) or _slice(line, best.end, best.tail)
    confidence = {
        "street": share("place", "tail"),
        "place": share("place", "region"),
        "region": share("region", "code"),
        "postcode": share("code", "end"),
    }
    return ParsedAddress(
        street=street,
        place=_slice(line, best.place, best.region),
        region=_slice(line, best.region, best.code),
        postcode=_slice(line, best.code, best.end).rstrip("."),
        country=line.country,
        confidence={part: round(value, 4) for part, value in confidence.items()},
    )


_NONE = 12.0
"""Cost of "this is no address of ours": keeps the confidence low where even the best reading is poor."""


def _slice(line: _Line, start: int, end: int) -> str:
    return line.text[line.words[start].start : line.words[end - 1].end] if start < end else ""


# --- the readings of a line and their costs -------------------------------------------------------------------------

_CODE = re.compile(r"\d{5}(-\d{4})?|\d{9}")
_NEAR_CODE = re.compile(r"(?=(?:.*\d){3})[\dOIlSBZ]{3,7}(-[\dOIlSBZ]{2,6})?|(?=(?:.*\d){3})[A-Z\d]{4,6}(-\d{2,5})?")
_LONGEST_PLACE = 6


def _readings(words: Sequence[Word], table: Gazetteer) -> Iterator[_Reading]:
    """All readings worth a thought; only those of one frame where postcode and region confirm each other."""
    for code, end, cost in _codes(words):
        area = table.area(words[code].plain[:5]) if code < end else None
        for region, name, region_cost in _regions(words, code, area, table):
            frame = _Frame(region, code, end, name, area, cost + region_cost)
            yield from _places(words, frame, table)
            if frame.cost == 0.0 and area and words[region].plain == area.region:
                return


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where region and postcode were found, what they say, and what believing it has cost so far."""

    region: int
    code: int
    end: int
    name: str | None
    area: PostcodeArea | None
    cost: float


def _codes(words: Sequence[Word]) -> Iterator[tuple[int, int, float]]:
    """(first word, behind the last word, cost) of every postcode there could be, and of none."""
    last = len(words)
    for at in range(last - 1, -1, -1):
        word = words[at].plain
        away = 0.0 if at == last - 1 else 3.0
        if _CODE.fullmatch(word):
            # A five-digit first word is as a rule a house number.
            yield at, at + 1, away + (4.0 if at == 0 else 0.0)
        elif at == last - 1 and at > 1 and len(word) == 4 and word.isdigit() and _CODE.fullmatch(words[at - 1].plain):
            yield at - 1, at + 1, 0.5
        elif at == last - 1 and _NEAR_CODE.fullmatch(word):
            yield at, at + 1, 3.0
    yield last, last, 3.5


def _regions(
    words: Sequence[Word], code: int, area: PostcodeArea | None, table: Gazetteer
) -> Iterator[tuple[int, str | None, float]]:
    """(first word, region code, cost) of every region that could stand before the postcode, and of none."""
    for length in (1, 2, 3):
        start = code - length
        if start < 0:
            break
        if any(word.breaks for word in words[start : code - 1]):
            break
        text = "".join(word.plain for word in words[start:code])
        known = table.region_code(text)
        if known:
            yield start, known, _agreement(known, area)
        else:
            yield from ((start, name, cost) for name, cost in _misspelt_regions(text, area, table))
    yield code, area.region if area else None, 3.0


def _agreement(region: str, area: PostcodeArea | None) -> float:
    if area is None:
        return 0.5
    return 0.0 if area.region == region else 4.0


def _misspelt_regions(text: str, area: PostcodeArea | None, table: Gazetteer) -> Iterator[tuple[str, float]]:
    letters = "".join(letter for letter in text if letter.isalnum())
    if len(letters) <= 3:
        if area and letters and OSA.distance(letters, area.region) <= 1:
            yield area.region, 2.5
        elif (
            area is None
            and len(letters) <= 2
            and any(OSA.distance(letters, code) <= 1 for code in table.region_names())
        ):
            yield "", 5.0
        return
    for code, name in table.region_names().items():
        key = name.upper().replace(" ", "")
        edits = OSA.distance(letters, key, score_cutoff=2)
        if edits <= (1 if len(key) < 7 else 2):
            yield code, 1.5 * edits + _agreement(code, area)


def _places(words: Sequence[Word], frame: _Frame, table: Gazetteer) -> Iterator[_Reading]:
    """Every place suffix before the region, one with no place, and the street behind the postcode."""
    region, end, behind = frame.region, frame.end, len(words)
    separated = any(word.breaks for word in words[: max(region - 1, 0)])
    skipped = 2.0 * (behind - end)
    longest = min(_LONGEST_PLACE, region)
    for length in range(1, longest + 1):
        if length > longest:
            break
        start = region - length
        name_cost = _place_cost([word.plain for word in words[start:region]], frame, table)
        cost = frame.cost + name_cost + 6.0 * sum(word.breaks for word in words[start : region - 1])
        if name_cost < 0.0:
            # A listed name: longer ones are misreadings behind a separator, else at most two words longer.
            longest = min(longest, length if start and words[start - 1].breaks else length + 2)
        if start:
            unmarked = separated and not words[start - 1].breaks
            cost += skipped + 2.5 * unmarked + _street_cost(words[:start])
            yield _Reading(cost, start, region, frame.code, end, end)
        elif end < behind:
            yield _Reading(cost + 1.0 + _street_cost(words[end:]), start, region, frame.code, end, behind)
        else:
            yield _Reading(cost + 3.0, start, region, frame.code, end, end)
    if region:
        yield _Reading(frame.cost + skipped + 9.0 + _street_cost(words[:region]), region, region, frame.code, end, end)


def _place_cost(name: Sequence[str], frame: _Frame, table: Gazetteer) -> float:
    """How strange it would be that these words are the place: at most 0 for a name of the postcode itself."""
    key = place_key(" ".join(name))
    if not key:
        return 15.0
    # A longer name that the table knows beats its own suffix: North Las Vegas, Las Vegas.
    bonus = _LONGER * len(name)
    area = frame.area
    if frame.region == frame.code and len(name) == 1 and table.region_code(name[0]) and len(key) == 2:
        return 10.0
    if area and key in area.names:
        return _STANDING * area.names[key] - bonus
    costs = [_unknown_place(name, key, table)]
    if any(character.isdigit() for character in key):
        return costs[0]
    if area:
        edits, whole = _edits_to_area(name, key, area)
        if edits <= _allowed(len(key)):
            costs.append(_TYPO * edits - bonus * whole + (0.2 if whole else 0.2 * len(name)))
    if frame.name and (codes := table.postcodes(key, frame.name)):
        known = (_OTHER_CODE if _nearby(area, codes, table) else _FAR) if area else 0.6
        costs.append(known - bonus + (0.0 if area is None else _no_place_word(name)))
    elif frame.name and len(key) >= 4:
        near = table.similar(key, frame.name, min(_allowed(len(key)), 2))
        costs += [2.8 + _TYPO * near[0][1]] if near else []
    return min(costs)


_LONGER, _STANDING, _TYPO, _OTHER_CODE, _FAR = 0.8, 0.3, 1.8, 3.2, 5.0


def _nearby(area: PostcodeArea, codes: Sequence[str], table: Gazetteer) -> bool:
    """Whether a place with these postcodes lies near the area, or its postcode is one typing error away."""
    for code in codes[:40]:
        if OSA.distance(code, area.postcode, score_cutoff=1) <= 1:
            return True
        other = table.area(code)
        if other and other.point and area.point and kilometres(area.point, other.point) <= 30.0:
            return True
    return False


def _unknown_place(name: Sequence[str], key: str, table: Gazetteer) -> float:
    if any(character.isdigit() for character in key):
        return 12.0
    if table.region_code("".join(name)):
        return 10.0
    if table.regions_of(key):
        return 5.0 - _LONGER * len(name) + _no_place_word(name)
    return 5.5 + 0.7 * len(name) + _no_place_word(name)


def _no_place_word(name: Sequence[str]) -> float:
    """Extra surprise where the place would hold a street's words ("ST SOMEWHERE"), or nothing else ("ST")."""
    street = [word in street_type_words() or word in unit_words() or word in directional_words() for word in name]
    return 4.0 if all(street) else 1.5 * sum(street) if street[0] else 0.0


def _allowed(length: int) -> int:
    return 1 if length < 6 else 2 if length < 11 else 3


def _edits_to_area(name: Sequence[str], key: str, area: PostcodeArea) -> tuple[int, bool]:
    """Fewest typing errors from the words to a name of the area, written out or abbreviated.

    With it: whether the first word begins that name, so that it belongs to the place rather than to the street
    before it ("N LAS VEAGS" is North Las Vegas, "A SHERMAN OAKS" is not).
    """
    letters, first, short = "".join(name), place_key(name[0]), name[0]
    best, whole = 99, False
    for known, spelled in area.spelled.items():
        brief = abbreviated(spelled)
        edits = min(OSA.distance(key, known, score_cutoff=3), OSA.distance(letters, brief, score_cutoff=3))
        begins = len(name) > 1 and len(first) > 1 and (known.startswith(first) or brief.startswith(short))
        if (edits, not begins) < (best, not whole):
            best, whole = edits, begins
    return best, whole


def _street_cost(words: Sequence[Word]) -> float:
    """How little these words look like a whole street line: no number in front, no type or unit at the end."""
    if not words:
        return 5.0
    last = words[-1].plain
    ends = last in street_type_words() or last in directional_words() or any(mark.isdigit() for mark in last)
    after_unit = len(words) > 2 and (words[-2].plain in unit_words() or len(last) == 1)
    # "12 OAK AVE NORTH | AURORA": after a shortened type a directional is as a rule short too.
    spelled_out = ends and len(last) > 2 and last in directional_words() and len(words) > 2 and len(words[-2].plain) < 5
    starts = any(mark.isdigit() for word in words[:2] for mark in word.plain)
    return (
        (0.6 * spelled_out if ends or after_unit else 1.2)
        + (0.0 if starts else 0.6)
        + (1.5 if len(words) == 1 else 0.0)
    )
