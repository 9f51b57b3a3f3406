"""The ways a line of words may be read, each with its cost in nats: what `parsing` chooses from.

A postcode is looked for from the right, a region before it, a place before that; the rest is the street. Nothing is
ruled out by one odd word: a misspelt region or postcode costs something, and the rest of the line decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from detectors.addresses.gazetteer import Gazetteer, PostcodeArea, kilometres
from detectors.addresses.standardising import (
    abbreviated,
    directional_words,
    place_key,
    street_type_words,
    unit_words,
)
from detectors.addresses.tokens import Word


@dataclass(frozen=True, slots=True)
class Reading:
    """Words [0, place) are the street, [place, region) the place, [region, code) the region, [code, end) the code.

    `tail`: the street stands behind the postcode instead, words [end, tail).
    """

    cost: float
    place: int
    region: int
    code: int
    end: int
    tail: int


_CODE = re.compile(r"\d{5}(-\d{4})?|\d{9}")
_NEAR_CODE = re.compile(r"(?=(?:.*\d){3})[\dOIlSBZ]{3,7}(-[\dOIlSBZ]{2,6})?|(?=(?:.*\d){3})[A-Z\d]{4,6}(-\d{2,5})?")
_LONGEST_PLACE = 6


def readings_of(words: Sequence[Word], table: Gazetteer) -> Iterator[Reading]:
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


def _places(words: Sequence[Word], frame: _Frame, table: Gazetteer) -> Iterator[Reading]:
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
            yield Reading(cost, start, region, frame.code, end, end)
        elif end < behind:
            yield Reading(cost + 1.0 + _street_cost(words[end:]), start, region, frame.code, end, behind)
        else:
            yield Reading(cost + 3.0, start, region, frame.code, end, end)
    if region:
        yield Reading(frame.cost + skipped + 9.0 + _street_cost(words[:region]), region, region, frame.code, end, end)


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
