"""City, region and postcode of a record: as typed, and as a gazetteer sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from detectors.addresses.gazetteer import Gazetteer, PostcodeArea
from detectors.addresses.standardising import place_key, plain

_LOOKALIKES = str.maketrans("OQDILZSB", "00011258")


@dataclass(frozen=True, slots=True)
class Triple:
    """City, region and postcode of a record as text; "" where blank."""

    city: str
    region: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A triple as the table sees it. code: the digits of its postcode; postcode: the same where it is well formed."""

    triple: Triple
    key: str
    letters: str
    region_text: str
    region_letters: str
    region: str
    code: str
    postcode: str
    area: PostcodeArea | None
    known_elsewhere: bool

    @classmethod
    def of(cls, triple: Triple, table: Gazetteer) -> Seen | None:
        """None where the triple says too little, or what it says is not of this country's kind."""
        key = place_key(triple.city)
        code = postcode_digits(triple.postcode)
        if len(key) > 40 or (triple.postcode and not 3 <= len(code) <= 6) or any(mark.isdigit() for mark in key):
            return None
        region = table.region_code(triple.region) or "" if triple.region else ""
        letters = "".join(mark for mark in plain(triple.region) if mark.isalnum())
        if (bool(key) + bool(letters) + bool(code)) < 2 and not code:
            return None
        if letters and not region and len(letters) > 24:
            return None
        area = table.area(code)
        elsewhere = bool(table.regions_of(key)) if key else False
        postcode = code if len(code) == table.postcode_digits else ""
        short = "".join(mark for mark in plain(triple.city) if mark.isalnum())
        return cls(triple, key, short, triple.region, letters, region, code, postcode or code, area, elsewhere)

    def is_right(self) -> bool:
        """Whether the table lists exactly this."""
        return bool(
            self.area and self.region == self.area.region and self.key in self.area.names
            and self.area.postcode == postcode_of(self.triple.postcode)
            and (" " not in self.triple.city.strip() or self._usual_words(self.area))
        )  # fmt: skip

    def _usual_words(self, area: PostcodeArea) -> bool:
        spelled = area.spelled[self.key]
        return (
            spelled.upper() == self.triple.city.upper()
            or place_key(spelled.split()[0]) == place_key(self.triple.city.split()[0])
            or len(spelled.split()) != len(self.triple.city.split())
        )

    def speaks_for(self, area: PostcodeArea) -> bool:
        """Whether another part of the record agrees with this area, which its postcode does not name."""
        if self.key:
            return self.key in area.names or (self.region == area.region and self._resembles(area))
        return self.region == area.region

    def _resembles(self, area: PostcodeArea) -> bool:
        return any(OSA.distance(self.key, name, score_cutoff=2) <= 2 for name in area.names)


def postcode_of(text: str) -> str:
    """The first five characters of a postcode as written: what names the area."""
    return text.strip()[:5]


@lru_cache(maxsize=100_000)
def postcode_digits(text: str) -> str:
    """The digits of a US postcode without its four further ones, look-alike letters read as digits."""
    text = plain(text.strip())
    head = text.removesuffix(".0").split("-")[0].split(" ")[0]
    digits = head.translate(_LOOKALIKES) if sum(mark.isdigit() for mark in head) >= 3 else head
    if not digits.isdigit():
        # One odd mark among four digits stays: it is a typing error to be mended.
        digits = head if len(head) == 5 and sum(mark.isdigit() for mark in head) == 4 else ""
    return digits[:5] if len(digits) == 9 else digits
