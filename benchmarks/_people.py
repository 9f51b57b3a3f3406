"""Generated people with households and namesakes, and two ways of spoiling copies: to develop and to test with.

Names follow a Zipf law, so that chance namesakes exist; members of a household share street, town, often family name
and telephone; e-mails are often made of names. A tenth to a fifth of the people have further records.

keyboard: a typist's errors: neighbouring keys, doubled and dropped letters, transpositions, blanks, short forms.
clerk: another office's errors: sounds written differently, misread characters, truncation, exchanged day and month,
    moved house, a new family name after marriage, exchanged given and family name, other formats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from detectors.roles import Role

ROLES = {
    "first": Role.GIVEN_NAME,
    "last": Role.FAMILY_NAME,
    "born": Role.DATE_OF_BIRTH,
    "sex": Role.GENDER,
    "mail": Role.EMAIL,
    "tel": Role.PHONE,
    "street": Role.STREET,
    "town": Role.CITY,
    "zip": Role.POSTCODE,
    "state": Role.REGION,
}

_MEN_NAMES = """
james robert john michael david william richard joseph thomas charles christopher daniel matthew anthony mark
donald steven paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary
nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory alexander frank patrick
raymond jack dennis jerry tyler aaron jose adam nathan henry
"""
_MEN = _MEN_NAMES.split()
_WOMEN_NAMES = """
mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty margaret sandra ashley
kimberly emily donna michelle carol amanda dorothy melissa deborah stephanie rebecca sharon laura cynthia
kathleen amy angela shirley anna brenda pamela emma nicole helen samantha katherine christine debra rachel
carolyn janet catherine maria heather diane ruth julie olivia
"""
_WOMEN = _WOMEN_NAMES.split()
_SHORT_TEXT = """
james:jim robert:bob john:jack michael:mike david:dave william:bill richard:rick joseph:joe thomas:tom
charles:charlie christopher:chris daniel:dan matthew:matt anthony:tony steven:steve andrew:andy joshua:josh
kenneth:ken timothy:tim ronald:ron edward:ed jeffrey:jeff nicholas:nick benjamin:ben samuel:sam gregory:greg
alexander:alex patricia:pat jennifer:jen elizabeth:liz barbara:barb susan:sue jessica:jess margaret:peggy
kimberly:kim deborah:debbie stephanie:steph rebecca:becky kathleen:kathy pamela:pam samantha:sam katherine:kate
christine:chris catherine:cathy
"""
_SHORT = dict(pair.split(":") for pair in _SHORT_TEXT.split())
_SYLLABLES_TEXT = """
an ber cas do el fer gra han il jo kar lan mor nel or pet quin ros sal ter ul vor wes yar zim bro cle dun fos
gal
"""
_SYLLABLES = _SYLLABLES_TEXT.split()
_ENDS_TEXT = """
son man er ton ley berg well ham ford wood field ski ez ini ard ott ell ing sen ka
"""
_ENDS = _ENDS_TEXT.split()
_STREETS_TEXT = """
street avenue road lane drive court place way boulevard terrace
"""
_STREETS = _STREETS_TEXT.split()
_ABBREVIATED = {
    "street": "st",
    "avenue": "ave",
    "road": "rd",
    "lane": "ln",
    "drive": "dr",
    "court": "ct",
    "boulevard": "blvd",
}
_KEYS = "qwertyuiop asdfghjkl zxcvbnm"
_MISREAD = {"o": "0", "l": "1", "i": "l", "s": "5", "b": "8", "m": "rn", "u": "v", "e": "c"}
_SOUNDS_TEXT = "ph:f ck:k c:k ie:y ee:ea s:z mm:m nn:n ou:oo y:i er:or"
_SOUNDS = [tuple(pair.split(":")) for pair in _SOUNDS_TEXT.split()]


@dataclass
class World:
    """What the people of one file have in common: family names, streets, towns, and e-mail addresses taken."""

    families: list[str]
    streets: list[str]
    towns: list[tuple[str, str, str]]
    taken: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, count: int, rng: np.random.Generator) -> World:
        """A world for so many people."""
        families = _families(min(8000, 400 + count // 10), rng)
        streets = [
            f"{name} {_STREETS[rng.integers(len(_STREETS))]}" for name in _families(min(9000, 100 + count // 20), rng)
        ]
        towns = [
            (
                name + "ville",
                f"{rng.integers(1000, 99999):05d}",
                f"{'ABCDEFGHIJ'[rng.integers(10)]}{'KLMNOP'[rng.integers(6)]}",
            )
            for name in _families(min(7000, 30 + count // 100), rng)
        ]
        return cls(families, streets, towns)


def generate(
    rows: int, *, corruption: str = "clerk", share: float = 0.15, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """About `rows` shuffled records of people, and the person each is about.

    corruption: "keyboard" or "clerk". share: people with further records (one to three).
    """
    rng = np.random.default_rng(seed)
    count = _originals(rows, share)
    return _records(count, World.of(count, rng), corruption, share, rng)


def generate_parts(
    rows: int, part: int, *, corruption: str = "clerk", share: float = 0.15, seed: int = 0
) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """The records of one world of about `rows`, some `part` of them at a time, so that memory stays bounded.

    A person's records are all in one part; nobody is in two.
    """
    rng = np.random.default_rng(seed)
    count = _originals(rows, share)
    world = World.of(count, rng)
    size = _originals(part, share)
    for first in range(0, count, size):
        frame, truth = _records(min(size, count - first), world, corruption, share, rng)
        yield frame, first + truth


def _originals(rows: int, share: float) -> int:
    """The people that so many records are about."""
    return int(rows / (1 + share * 1.4))


def _records(
    count: int, world: World, corruption: str, share: float, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    people = _people(count, world, rng)
    copies = np.where(rng.random(count) < share, rng.choice([1, 2, 3], count, p=[0.7, 0.2, 0.1]), 0)
    source = np.repeat(np.arange(count), copies)
    columns = list(ROLES)
    spoil = {"keyboard": _keyboard, "clerk": _clerk}[corruption]
    table = [[people[name][person] for name in columns] for person in range(count)]
    for person in source.tolist():
        table.append(spoil(list(table[person]), rng, people))
    truth = np.concatenate([np.arange(count), source])
    _blanks(table, rng)
    order = rng.permutation(len(table))
    frame = pd.DataFrame([table[place] for place in order], columns=columns, dtype=object)
    return frame, truth[order]


def _zipf(count: int, size: int, rng: np.random.Generator, power: float = 0.9) -> np.ndarray:
    return rng.choice(count, size, p=_weights(count, power))


def _weights(count: int, power: float) -> np.ndarray:
    weights = 1 / np.arange(2, count + 2) ** power
    return weights / weights.sum()


def _families(count: int, rng: np.random.Generator) -> list[str]:
    made: dict[str, None] = {}
    while len(made) < count:
        parts = rng.integers(0, len(_SYLLABLES), rng.integers(1, 3))
        made["".join(_SYLLABLES[part] for part in parts) + _ENDS[rng.integers(len(_ENDS))]] = None
    return list(made)


def _people(count: int, world: World, rng: np.random.Generator) -> dict[str, list[str | None]]:
    families, streets, towns, taken = world.families, world.streets, world.towns, world.taken
    first, last, born, sex, mail, tel, street, town, code, state = ([] for _ in range(10))
    sizes = rng.choice([1, 2, 3, 4, 5], count, p=[0.3, 0.3, 0.17, 0.15, 0.08])
    names, places = _zipf(len(families), count, rng), _zipf(len(towns), count, rng, 0.6)
    common = _weights(54, 0.6).cumsum()
    common /= common[-1]
    household = 0
    while len(first) < count:
        size, family = int(sizes[household]), families[names[household]]
        place = towns[places[household]]
        line = f"{rng.integers(1, 400)} {streets[rng.integers(len(streets))]}"
        landline = f"{rng.integers(200, 999)}555{rng.integers(0, 10000):04d}"
        base = int(rng.integers(1935, 2000))
        for member in range(min(size, count - len(first))):
            male = bool(rng.random() < 0.5) if member > 1 else (member == 0) == bool(rng.random() < 0.9)
            given = (_MEN if male else _WOMEN)[int(common.searchsorted(rng.random(), side="right"))]
            own = family if member == 0 or rng.random() < 0.85 else families[rng.integers(len(families))]
            if member > 1 and rng.random() < 0.05:
                given, male = first[-member], sex[-member] == "M"  # named after a parent
            year = base + (int(rng.integers(-6, 7)) if member < 2 else int(rng.integers(20, 40)))
            first.append(given)
            last.append(own)
            sex.append("M" if male else "F")
            born.append(f"{year}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}")
            tel.append(
                landline
                if rng.random() < 0.4
                else f"{rng.integers(200, 999)}{rng.integers(200, 999)}{rng.integers(0, 10000):04d}"
            )
            mail.append(_new(_mail(given, own, year, rng), taken, rng))
            street.append(line)
            town.append(place[0])
            code.append(place[1])
            state.append(place[2])
        household += 1
    return dict(zip(ROLES, (first, last, born, sex, mail, tel, street, town, code, state), strict=True))


def _mail(given: str, family: str, year: int, rng: np.random.Generator) -> str:
    domain = ("gmail.com", "yahoo.com", "mail.com", "hotmail.com", "web.net")[rng.integers(5)]
    kind = rng.integers(5)
    local = (
        f"{given}.{family}",
        f"{given[0]}{family}",
        f"{given}{year % 100:02d}",
        f"{family}{rng.integers(1, 999)}",
        f"{given}{rng.integers(1, 9999)}",
    )[kind]
    return f"{local}@{domain}"


def _new(mail: str, taken: set[str], rng: np.random.Generator) -> str:
    """The address, with a number where somebody has it already."""
    while mail in taken:
        local, domain = mail.split("@")
        mail = f"{local}{rng.integers(10, 99)}@{domain}"
    taken.add(mail)
    return mail


def _blanks(table: list[list[str | None]], rng: np.random.Generator) -> None:
    rates = np.array([0.01, 0.01, 0.15, 0.1, 0.3, 0.2, 0.05, 0.03, 0.08, 0.05])
    holes = rng.random((len(table), len(rates))) < rates
    for row, gone in zip(table, holes, strict=True):
        for place in np.flatnonzero(gone):
            row[place] = None


def _typo(text: str | None, rng: np.random.Generator) -> str | None:
    if not text or len(text) < 2:
        return text
    at, kind = int(rng.integers(len(text))), rng.integers(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    if kind == 2:
        at = min(at, len(text) - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    place = _KEYS.find(text[at])
    if place < 0:
        return text[:at] + (str(rng.integers(10)) if text[at].isdigit() else text[at]) + text[at + 1 :]
    return (
        text[:at]
        + _KEYS[max(0, min(len(_KEYS) - 1, place + (1 if rng.random() < 0.5 else -1)))].strip()
        + text[at + 1 :]
    )


def _keyboard(row: list[str | None], rng: np.random.Generator, people: dict[str, list[str | None]]) -> list[str | None]:
    for place, rate in enumerate([0.15, 0.15, 0.08, 0.0, 0.08, 0.08, 0.15, 0.08, 0.06, 0.0]):
        if rng.random() < rate:
            row[place] = _typo(row[place], rng)
    if rng.random() < 0.12:
        row[0] = _SHORT.get(row[0] or "", (row[0] or "x")[:1])
    if rng.random() < 0.12:
        row[5] = f"{rng.integers(200, 999)}{rng.integers(200, 999)}{rng.integers(0, 10000):04d}"
    if rng.random() < 0.25:
        row[4] = _mail(row[0] or "x", row[1] or "x", int(rng.integers(1940, 2005)), rng)
    if rng.random() < 0.08:
        _move(row, rng, people)
    return row


def _clerk(row: list[str | None], rng: np.random.Generator, people: dict[str, list[str | None]]) -> list[str | None]:
    for place in (0, 1, 6, 7):
        if rng.random() < 0.1 and row[place]:
            old, new = _SOUNDS[rng.integers(len(_SOUNDS))]
            row[place] = str(row[place]).replace(old, new, 1)
        if rng.random() < 0.04 and row[place]:
            at = int(rng.integers(len(str(row[place]))))
            text = str(row[place])
            row[place] = text[:at] + _MISREAD.get(text[at], text[at]) + text[at + 1 :]
    if rng.random() < 0.04:
        row[1] = str(row[1])[:5]
    if rng.random() < 0.1:
        row[0] = _SHORT.get(row[0] or "", row[0] or "")
    if rng.random() < 0.04:
        row[0], row[1] = row[1], row[0]
    if rng.random() < 0.05 and row[3] == "F":
        row[1] = people["last"][int(rng.integers(len(people["last"])))]
    if row[2]:
        year, month, day = row[2].split("-")
        if rng.random() < 0.08:
            month, day = (day, month) if int(day) <= 12 else (month, f"{int(rng.integers(1, 29)):02d}")
        elif rng.random() < 0.04:
            year = str(int(year) + int(rng.integers(-1, 2)))
        row[2] = f"{year}-{month}-{day}"
    if row[6] and rng.random() < 0.5:
        row[6] = " ".join(_ABBREVIATED.get(word, word) for word in row[6].split())
    if row[5]:
        row[5] = f"({row[5][:3]}) {row[5][3:6]}-{row[5][6:]}" if rng.random() < 0.5 else f"+1{row[5]}"
    if rng.random() < 0.1:
        row[5] = f"{rng.integers(200, 999)}{rng.integers(200, 999)}{rng.integers(0, 10000):04d}"
    if rng.random() < 0.25:
        row[4] = _mail(row[0] or "x", row[1] or "x", int(rng.integers(1940, 2005)), rng)
    if rng.random() < 0.1:
        _move(row, rng, people)
    return row


def _move(row: list[str | None], rng: np.random.Generator, people: dict[str, list[str | None]]) -> None:
    other = int(rng.integers(len(people["street"])))
    row[6] = f"{rng.integers(1, 400)} {str(people['street'][other]).split(' ', 1)[1]}"
    row[7], row[8], row[9] = people["town"][other], people["zip"][other], people["state"][other]
