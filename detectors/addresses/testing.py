"""The contract of a gazetteer as tests: run every check over yours, with a place that it knows.

    @pytest.mark.parametrize("check", gazetteer_checks(), ids=lambda check: check.__name__)
    def test_my_gazetteer_keeps_the_contract(check):
        check(MyGazetteer(), Known(postcode="10115", place="Berlin", region="BE", region_name="Berlin"))

Each check raises AssertionError, with a sentence, where the contract is broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from detectors.addresses.detector import AddressDetector
from detectors.addresses.gazetteer import Gazetteer
from detectors.addresses.standardising import place_key
from detectors.contract import Batch, RunContext
from detectors.roles import Role


@dataclass(frozen=True)
class Known:
    """A place that the gazetteer knows; its name should have six letters or more."""

    postcode: str
    place: str
    region: str
    region_name: str


Check = Callable[[Gazetteer, Known], None]

_ODD = ("", " ", "0", "\0", "ZZZZZZ", "'; --", "٣٤٥", "x" * 500, "Łódź")


def gazetteer_checks() -> list[Check]:
    """Every check."""
    return [
        check_the_country_is_a_code_of_two_letters,
        check_a_known_postcode_has_an_area_with_names_and_region,
        check_a_known_place_leads_to_its_postcode_and_region,
        check_regions_are_known_by_code_and_name,
        check_a_typing_error_finds_the_place,
        check_unknown_or_odd_text_is_unknown_and_raises_nothing,
        check_answers_do_not_depend_on_the_order_of_questions,
        check_the_detector_leaves_right_rows_alone,
    ]


def check_the_country_is_a_code_of_two_letters(gazetteer: Gazetteer, known: Known) -> None:
    code = gazetteer.country
    assert re.fullmatch("[A-Z]{2}", code), f"country {code!r} is no ISO 3166 code in capitals"


def check_a_known_postcode_has_an_area_with_names_and_region(gazetteer: Gazetteer, known: Known) -> None:
    area = gazetteer.area(known.postcode)
    assert area is not None, "the known postcode has no area"
    assert (area.postcode, area.region) == (known.postcode, known.region), "the area is another one's"
    assert place_key(known.place) in area.names, "the area does not hold the known place's key"
    assert set(area.names) == set(area.spelled), "names and spelled hold different keys"
    assert place_key(area.preferred) in area.names, "the preferred name is not among the names"


def check_a_known_place_leads_to_its_postcode_and_region(gazetteer: Gazetteer, known: Known) -> None:
    key = place_key(known.place)
    codes = list(gazetteer.postcodes(key, known.region))
    assert known.postcode in codes, "postcodes: the known one is missing"
    assert codes == sorted(codes), "postcodes: out of order"
    regions = list(gazetteer.regions_of(key))
    assert known.region in regions, "regions_of: the known one is missing"
    assert regions == sorted(regions), "regions_of: out of order"
    assert place_key(gazetteer.spelling(key, known.region)) == key, "spelling: of another place"


def check_regions_are_known_by_code_and_name(gazetteer: Gazetteer, known: Known) -> None:
    names = gazetteer.region_names()
    assert names.get(known.region) == known.region_name, "region_names: the known region is missing"
    for text in (known.region, known.region.lower(), known.region_name, known.region_name.upper()):
        assert gazetteer.region_code(text) == known.region, f"region_code({text!r}) is not {known.region!r}"


def check_a_typing_error_finds_the_place(gazetteer: Gazetteer, known: Known) -> None:
    key = place_key(known.place)
    for slip in (key[:2] + key[3:], key[:3] + "X" + key[3:], key[:2] + key[3] + key[2] + key[4:]):
        near = list(gazetteer.similar(slip, known.region, 2))
        assert key in dict(near), f"similar({slip!r}) does not hold {key!r}"
        assert [edits for _, edits in near] == sorted(edits for _, edits in near), "similar: the nearest is not first"


def check_unknown_or_odd_text_is_unknown_and_raises_nothing(gazetteer: Gazetteer, known: Known) -> None:
    for text in _ODD:
        assert gazetteer.area(text) is None, f"area({text[:20]!r}) is an area"
        assert not gazetteer.postcodes(text, known.region), f"postcodes({text[:20]!r}) are some"
        assert not gazetteer.postcodes(place_key(known.place), text), "postcodes in an unknown region are some"
        assert not gazetteer.regions_of(text), f"regions_of({text[:20]!r}) are some"
        assert gazetteer.spelling(text, known.region) == "", f"spelling({text[:20]!r}) is one"
        assert gazetteer.region_code(text) is None, f"region_code({text[:20]!r}) is one"
        assert not gazetteer.similar(text, "no such region", 2), "similar in an unknown region are some"


def check_answers_do_not_depend_on_the_order_of_questions(gazetteer: Gazetteer, known: Known) -> None:
    key = place_key(known.place)

    def answers() -> list[object]:
        return [list(gazetteer.postcodes(key, known.region)), list(gazetteer.similar(key, known.region, 2)),
                gazetteer.area(known.postcode), gazetteer.spelling(key, known.region)]  # fmt: skip

    first = answers()
    gazetteer.area("ZZZZZZ"), gazetteer.similar("ZZZZZZ", known.region, 1)
    assert answers() == first, "an answer changed after other questions"


def check_the_detector_leaves_right_rows_alone(gazetteer: Gazetteer, known: Known) -> None:
    rows: list[list[str | None]] = [[known.place, known.region, known.postcode, gazetteer.country]] * 30
    rows += [["Nowhere Known", known.region, "ZZZZZZ", gazetteer.country], [None] * 4, ["\0", "?", "٣", "??"]]
    frame = pd.DataFrame(rows, columns=["Town", "State", "Code", "Country"], dtype=object)
    frame.index = pd.Index(range(100, 100 + len(rows)))
    roles = {"Town": Role.CITY, "State": Role.REGION, "Code": Role.POSTCODE, "Country": Role.COUNTRY}
    found = list(AddressDetector([gazetteer]).detect(Batch(frame, roles), RunContext()))
    touched = {finding.subjects[0] for finding in found if finding.score >= 0.5}
    assert not touched & set(range(100, 130)), "the detector changes rows that are right"
