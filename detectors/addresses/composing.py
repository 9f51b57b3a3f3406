"""Addresses we compose ourselves: strings to train the tagger on, broken records to calibrate the corrections on.

Street names come from word lists written here and from rules; places from the gazetteer, or put together from
syllables where the tagger has to learn that a place need not be known. No data set is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detectors.addresses.gazetteer import PostcodeArea, Standing, TableGazetteer
from detectors.addresses.standardising import DIRECTIONALS, STREET_TYPES
from detectors.addresses.triples import Triple

Tagged = list[tuple[str, str]]

_NAMES = tuple(Path(__file__).with_name("street_names.txt").read_text(encoding="utf-8").split())
_ALONE = ("BROADWAY", "BOWERY", "ESPLANADE", "RIVERFRONT", "CROSSROADS", "BOARDWALK", "WESTGATE", "EASTGATE", "MIDWAY")
_ROADS = ("COUNTY ROAD", "STATE ROUTE", "US HIGHWAY", "HIGHWAY", "HWY", "ROUTE", "STATE ROAD", "FM", "OLD HWY", "RTE")
_SYLLABLES = ("BRO", "KEN", "MAR", "LIN", "WES", "HOL", "TAR", "BEL", "NOR", "CAS", "DUN", "FAR", "GLE", "HAR", "MIL")
_ENDINGS = ("VILLE", "TON", "BURG", "FIELD", "WOOD", "DALE", "FORD", "MONT", "HAVEN", "BURY", "PORT", "LAND", "BORO")
_AFTER = (
    "HEIGHTS",
    "SPRINGS",
    "PARK",
    "BEACH",
    "CITY",
    "HILLS",
    "FALLS",
    "GROVE",
    "LAKE",
    "CENTER",
    "JUNCTION",
    "ESTATES",
)
_BEFORE = (
    "NORTH",
    "SOUTH",
    "EAST",
    "WEST",
    "NEW",
    "LAKE",
    "PORT",
    "MOUNT",
    "FORT",
    "SAINT",
    "ST",
    "EL",
    "LA",
    "SAN",
    "N",
    "W",
)
_USUAL_TYPES = ("ST", "AVE", "RD", "DR", "BLVD", "LN", "CT", "PL", "WAY", "PKWY", "CIR", "HWY", "PIKE", "TER", "PLZ")
_UNITS = ("APT", "STE", "SUITE", "UNIT", "FL", "BLDG", "RM", "ROOM", "LOT", "SPC", "#", "APARTMENT", "FLOOR", "OFC")


def typo(word: str, rng: random.Random) -> str:
    """The word with one letter or digit left out, put in, changed, or swapped with the next."""
    places = [at for at, mark in enumerate(word) if mark.isalnum()]
    if len(places) < 2:
        return word
    while True:
        at = rng.choice(places)
        letters = "0123456789" if word[at].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        new = rng.choice(letters) if word[at].isdigit() or word[at].isupper() else rng.choice(letters).lower()
        ways = (
            word[:at] + word[at + 1 :],
            word[:at] + new + word[at:],
            word[:at] + new + word[at + 1 :],
            word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        )
        mistyped = rng.choice(ways)
        if mistyped != word:
            return mistyped


# --- strings for the tagger -----------------------------------------------------------------------------------------


def composed_line(table: TableGazetteer, areas: Sequence[PostcodeArea], rng: random.Random) -> Tagged:
    """One address as (word, tag) pairs in upper case, some with a typing error, some with a place nobody lists."""
    area = rng.choice(areas)
    name = rng.choice(list(area.spelled.values())) if rng.random() < 0.5 else invented_place(rng)
    region = table.region_names()[area.region] if rng.random() < 0.2 else area.region
    line = street_line(rng) if rng.random() < 0.97 else []
    line += [(word, "PLACE") for word in name.upper().split()]
    line += [(word, "REGION") for word in region.upper().split()] if rng.random() < 0.93 else []
    plus = f"-{rng.randrange(10_000):04d}" if rng.random() < 0.2 else ""
    line += [(area.postcode + plus, "POSTCODE")] if rng.random() < 0.93 else []
    if rng.random() < 0.4:
        at = rng.randrange(len(line))
        line[at] = (typo(line[at][0], rng), line[at][1])
    return line


def street_line(rng: random.Random) -> Tagged:
    """A street line as (word, tag) pairs: a house, a numbered road or a box; some with a unit before or behind."""
    kind = rng.random()
    if kind < 0.06:
        box = rng.choice(
            (["PO", "BOX"], ["P.O", "BOX"], ["BOX"], ["POST", "OFFICE", "BOX"], ["PMB"], ["RR", "2", "BOX"])
        )
        return [(word, "BOX") for word in [*box, str(rng.randrange(1, 9999))]]
    number = str(rng.randrange(1, 10 ** rng.randint(1, 5))) + (rng.choice("ABCN") if rng.random() < 0.03 else "")
    line = [(number, "NUMBER")]
    if kind < 0.14:
        words = [*rng.choice(_ROADS).split(), str(rng.randrange(1, 999))]
        line += [(word, "NAME") for word in words]
        line += [(rng.choice(list(DIRECTIONALS)), "DIRECTION")] if rng.random() < 0.3 else []
    elif kind < 0.19:
        first = rng.choice(("CALLE", "AVE", "CARR", "AVENIDA", "PASEO", "CAMINO"))
        line += [(first, "TYPE"), *((word, "NAME") for word in _names(rng))]
        line += [("KM", "NAME"), (f"{rng.randrange(99)}.{rng.randrange(9)}", "NAME")] if first == "CARR" else []
    else:
        line += _usual_street(rng)
    unit = _unit(rng) if rng.random() < 0.3 else []
    return [*unit, *line] if rng.random() < 0.2 else [*line, *unit]


def _usual_street(rng: random.Random) -> Tagged:
    ways = [*DIRECTIONALS, *DIRECTIONALS.values()]
    line = [(rng.choice(ways), "DIRECTION")] if rng.random() < 0.3 else []
    if rng.random() < 0.06:
        return [*line, (rng.choice(_ALONE), "NAME")]
    line += [(word, "NAME") for word in _names(rng)]
    if rng.random() < 0.95:
        short = rng.choice(_USUAL_TYPES) if rng.random() < 0.85 else rng.choice(list(STREET_TYPES))
        line.append((rng.choice((short, short, short, *STREET_TYPES[short])), "TYPE"))
    if rng.random() < 0.12:
        line.append((rng.choice(list(DIRECTIONALS) if rng.random() < 0.8 else ways), "DIRECTION"))
    return line


def _names(rng: random.Random) -> list[str]:
    if rng.random() < 0.2:
        number = rng.randrange(1, 200)
        ending = "TH" if number % 100 in (11, 12, 13) else {1: "ST", 2: "ND", 3: "RD"}.get(number % 10, "TH")
        return [f"{number}{ending}"]
    count = rng.choices((1, 2, 3), weights=(75, 22, 3))[0]
    names = [rng.choice(_NAMES) if rng.random() < 0.85 else _coined(rng) for _ in range(count)]
    return ["DR", "MARTIN", "LUTHER", "KING", "JR"] if rng.random() < 0.01 else names


def _unit(rng: random.Random) -> Tagged:
    which = rng.choice((str(rng.randrange(1, 999)), rng.choice("ABCDEFGH"), f"{rng.randrange(30)}{rng.choice('ABC')}"))
    kind = rng.choice(_UNITS)
    if kind == "#" and rng.random() < 0.6:
        return [("#" + which, "UNIT")]
    return [(which, "UNIT")] if rng.random() < 0.15 else [(kind, "UNIT"), (which, "UNIT")]


def _coined(rng: random.Random) -> str:
    return rng.choice(_SYLLABLES) + rng.choice(("", rng.choice(_SYLLABLES))) + rng.choice(_ENDINGS)


def invented_place(rng: random.Random) -> str:
    """A name that sounds like a place and is as a rule none: "WEST KENDALE", "BROTON SPRINGS"."""
    words = [_coined(rng) if rng.random() < 0.7 else rng.choice(_NAMES)]
    if rng.random() < 0.3:
        words.insert(0, rng.choice(_BEFORE))
    if rng.random() < 0.25:
        words.append(rng.choice(_AFTER))
    return " ".join(words)


# --- broken records for the calibration -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Broken:
    """A record as typed and as meant; `error` names what was done to it, "" if nothing."""

    typed: Triple
    meant: Triple
    error: str


_ERRORS = {
    "city-typo": 30, "city-two-typos": 4, "city-cut": 2, "city-other": 3, "region-other": 12, "region-typo": 5,
    "postcode-digit": 20, "postcode-swap": 8, "postcode-lost": 8, "postcode-other": 3,
    "city-blank": 2, "region-blank": 2, "postcode-blank": 2,
}  # fmt: skip


def broken_records(table: TableGazetteer, count: int, rng: random.Random, *, share: float = 0.39) -> list[Broken]:
    """Records of places drawn from the table, this share of them with one error.

    Names are drawn as people use them: mostly preferred, some accepted or avoided, 4 % in a hundred listed nowhere.
    """
    areas = [area for area in table.areas() if area.region in table.region_names()]
    drawn = rng.choices(areas, [area.share for area in areas], k=count)
    kinds, odds = list(_ERRORS), list(_ERRORS.values())
    records = []
    for area in drawn:
        meant = _meant(area, areas, rng)
        error = rng.choices(kinds, odds)[0] if rng.random() < share else ""
        typed = broken(meant, error, areas, rng) if error else meant
        records.append(Broken(typed, meant, error if typed != meant else ""))
    return records


def _meant(area: PostcodeArea, areas: Sequence[PostcodeArea], rng: random.Random) -> Triple:
    listed = [area.spelled[key] for key, standing in area.names.items() if standing != Standing.PREFERRED]
    chance = rng.random()
    name = area.preferred
    if chance < 0.04:
        name = invented_place(rng).title() if rng.random() < 0.6 else rng.choice(areas).preferred
    elif chance < 0.16 and listed:
        name = rng.choice(listed)
    return Triple(name.upper() if rng.random() < 0.5 else name, area.region, area.postcode)


def broken(meant: Triple, error: str, areas: Sequence[PostcodeArea], rng: random.Random) -> Triple:
    """The record with this error."""
    part, _, what = error.partition("-")
    value: str = getattr(meant, part)
    ways: dict[str, Callable[[], str]] = {
        "typo": lambda: typo(value, rng),
        "two-typos": lambda: typo(typo(value, rng), rng),
        "cut": lambda: value[: max(5, rng.randrange(len(value)))],
        "digit": lambda: _other_digit(value, rng),
        "swap": lambda: _swapped(value, rng),
        "lost": lambda: value.lstrip("0") if value.startswith("0") else typo(value, rng),
        "blank": lambda: "",
        "other": lambda: getattr(_as_triple(rng.choice(areas)), part),
    }
    return replace(meant, **{part: ways[what]()})


def _as_triple(area: PostcodeArea) -> Triple:
    return Triple(area.preferred, area.region, area.postcode)


def _other_digit(code: str, rng: random.Random) -> str:
    at = rng.randrange(len(code))
    return code[:at] + rng.choice([digit for digit in "0123456789" if digit != code[at]]) + code[at + 1 :]


def _swapped(code: str, rng: random.Random) -> str:
    at = rng.randrange(len(code) - 1)
    return code[:at] + code[at + 1] + code[at] + code[at + 2 :]
