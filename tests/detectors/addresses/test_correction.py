"""Wrong, misspelt and missing parts of structured addresses."""

import pandas as pd
import pytest

from detectors.addresses.calibration import Calibration
from detectors.addresses.correction import Corrector
from detectors.addresses.detector import AddressDetector
from detectors.addresses.gazetteer import PostcodeArea, Standing, TableGazetteer, us_gazetteer
from detectors.addresses.triples import Triple
from detectors.contract import Batch, RunContext
from detectors.roles import Role

ROLES = {"city": Role.CITY, "state": Role.REGION, "zip": Role.POSTCODE, "country": Role.COUNTRY, "street": Role.STREET}


def found(*rows, detector=None, **columns):
    """(rule, changes) of the sure findings in a table of (city, state, zip) rows."""
    frame = pd.DataFrame(rows, columns=["city", "state", "zip"], dtype=object).assign(**columns)
    batch = Batch(frame.where(frame.notna() & (frame != ""), None), {name: ROLES[name] for name in frame})
    findings = list((detector or AddressDetector()).detect(batch, RunContext()))
    return [(one.rule, dict(one.proposal.changes)) for one in findings if one.score >= 0.9]


@pytest.mark.parametrize(
    ("row", "rule", "changes"),
    [
        (("Springfeild", "IL", "62701"), "city-spelling", {"city": "Springfield"}),
        (("SPRINGFEILD", "IL", "62701"), "city-spelling", {"city": "SPRINGFIELD"}),
        (("NE WLONDON", "MN", "56273"), "city-spelling", {"city": "NEW LONDON"}),
        (("Springfield", "OH", "62701"), "region-from-postcode", {"state": "IL"}),
        (("Denver", "", "80202"), "region-from-postcode", {"state": "CO"}),
        (("Springfield", "IL", "67201"), "postcode-typo", {"zip": "62701"}),
        (("Boston", "MA", "2108"), "postcode-leading-zero", {"zip": "02108"}),
        (("Boston", "MA", "2108-1234"), "postcode-leading-zero", {"zip": "02108-1234"}),
        (("Birmingham", "AL", "x5233"), "postcode-typo", {"zip": "35233"}),
        (("", "IL", "62701"), "city-from-postcode", {"city": "Springfield"}),
        (("Buffalo Grove", "IL", ""), "postcode-from-city", {"zip": "60089"}),
    ],
)
def test_the_other_parts_tell_what_a_part_should_be(row, rule, changes):
    assert (rule, changes) in found(row)


@pytest.mark.parametrize(
    "row",
    [
        ("Springfield", "IL", "62701"),
        ("ST LOUIS", "MO", "63101"),
        ("Saint Louis", "Missouri", "63101-1234"),
        ("N Las Vegas", "NV", "89030"),
        ("Turabo Gardens", "PR", "00745"),
        ("Brokendale", "IL", "62701"),
        ("Sydney", "NSW", "2000"),
        ("", "", "62701"),
    ],
)
def test_right_usual_and_unknown_places_are_left_alone(row):
    filled = {name for name, value in zip(("city", "state", "zip"), row, strict=True) if value}
    assert [one for one in found(row) if filled & set(one[1])] == []


def test_a_region_is_written_in_the_form_of_its_column():
    rows = [("Springfield", "Ohio", "62701"), ("Boston", "Massachusetts", "02108")]
    assert ("region-from-postcode", {"state": "Illinois"}) in found(*rows)


def test_a_table_without_postcodes_is_corrected_by_its_states():
    frame = pd.DataFrame({"city": ["TUSCON", "LAS VAGAS", "BOSTON"], "state": ["AZ", "NV", "MA"]}, dtype=object)
    findings = AddressDetector().detect(Batch(frame, {"city": Role.CITY, "state": Role.REGION}), RunContext())
    assert [dict(one.proposal.changes) for one in findings] == [{"city": "TUCSON"}, {"city": "LAS VEGAS"}]


def test_rows_of_no_country_in_a_foreign_table_are_left_alone():
    rows = [("Perth", "WA", "6000"), ("Darwin", "NT", "0800"), ("Hobart", "TAS", "7000"), ("Sydny", "NSW", "2000")]
    assert found(*rows) == []


def test_rows_of_other_countries_are_held_against_their_postcode_rule_only():
    rows = [
        ("Dresden", "", "1067"),
        ("Kleinkleckersdorf", "", "26133"),
        ("Toronto", "ON", "M5H2N2"),
        ("Nowhere", "", "??"),
    ]
    countries = ["Germany", "DE", "Canada", "GB"]
    assert found(*rows, country=countries) == [("postcode-format", {"zip": "01067"})]


def test_a_row_without_a_country_is_of_the_country_its_region_is_of_in_the_other_rows():
    rows = [("Hannover", "Niedersachsen", "30159"), ("Celle", "Niedersachsen", "29221")] * 3
    american = [("Springfield", "IL", "62701"), ("Springfield", "OH", "62701")]
    countries = ["Germany"] * 6 + ["", "", ""]
    unsaid = ("Hannover", "Niedersachsen", "30145")  # a postcode of Georgia too
    assert found(*rows, unsaid, *american, country=countries) == [("region-from-postcode", {"state": "IL"})]


def test_a_city_abroad_is_written_as_its_column_writes_it_or_by_the_name_it_was_meant_by():
    assert found(("Nürnbegr", "", "90478"), ("Warszwa", "", "00-783"), country=["DE", "PL"]) == [
        ("city-spelling", {"city": "Nürnberg"}),
        ("city-spelling", {"city": "Warszawa"}),
    ]
    rows = [("Nuernberg", "", "90478")] * 3
    assert found(*rows, ("Nuernbegr", "", "90478"), country=["DE"] * 4) == [("city-spelling", {"city": "Nuernberg"})]


@pytest.mark.parametrize(
    ("street", "proper"),
    [
        ("12 OAK STRET", "12 OAK STREET"),
        ("7 Fox Cirlce Apt 3", "7 Fox Circle Apt 3"),
        ("99 Kenton Boulvard", "99 Kenton Boulevard"),
        ("557 Poplar ircle", "557 Poplar Circle"),
        ("557 poplar cirlce", "557 poplar circle"),
    ],
)
def test_a_misspelt_street_type_is_mended(street, proper):
    assert ("street-type", {"street": proper}) in found(("Springfield", "IL", "62701"), street=[street])


@pytest.mark.parametrize("street", ["12 Oak Street", "1 Broadway", "3100 Weslayan", "PO Box 4", "5 Avenue B", "9 Park"])
def test_a_street_without_a_misspelt_type_is_left_alone(street):
    assert found(("Springfield", "IL", "62701"), street=[street]) == []


@pytest.mark.parametrize(
    ("text", "proper"),
    [
        ("12 Oak St, Springfeild, IL 62701", "12 Oak St, Springfield, IL 62701"),
        ("12 OAK STRET, BOSTON, MA 02108", "12 OAK STREET, BOSTON, MA 02108"),
        ("12 Oak St, Springfield, IL 62701", None),
        ("Hauptstr. 5, 10115 Berlin", None),
    ],
)
def test_one_address_column_is_corrected_within_its_line(text, proper):
    batch = Batch(pd.DataFrame({"address": [text]}, dtype=object), {"address": Role.ADDRESS})
    changes = [dict(one.proposal.changes) for one in AddressDetector().detect(batch, RunContext())]
    assert changes == ([{"address": proper}] if proper else [])


def test_evidence_says_in_words_what_was_compared():
    (correction,) = Corrector(us_gazetteer()).judge(Triple("Springfeild", "IL", "62701"))
    assert correction.reason == "62701 belongs to Springfield, IL; the record says Springfeild"


def test_a_national_table_can_be_plugged_in():
    areas = [
        PostcodeArea(f"10{at}", "B", name, {name.upper(): Standing.PREFERRED}, {name.upper(): name})
        for at, name in enumerate(["Mittelburg", "Osterode", "Westerland"])
    ]
    table = TableGazetteer("ZA", areas, {"B": "Bergland"}, postcode_digits=3)
    detector = AddressDetector([table], Calibration({}))
    rows = [("Mitelburg", "B", "100"), ("Osterode", "B", "101")]
    assert found(*rows, detector=detector) == [("city-spelling", {"city": "Mittelburg"})]


def test_calibration_runs_straight_between_its_points():
    calibration = Calibration({"city": [(-2.0, 0.1), (2.0, 0.9)]})
    assert calibration("city", 0.5) == pytest.approx(0.5)
    assert calibration("city", 0.0001) == 0.1
    assert calibration("city", 0.9999) == 0.9
    assert calibration("elsewhere", 1.0) < 1.0


def test_cells_that_changed_places_are_known_by_the_other_rows_where_no_table_of_regions_is():
    rows = [("Stuttgart", "Baden-Württemberg", "70173"), ("Ulm", "Baden-Württemberg", "89073")] * 3
    swapped = ("Baden-Württemberg", "Stuttgart", "70175")
    assert found(*rows, swapped, country=["Germany"] * 7) == [
        ("city-region-swap", {"city": "Stuttgart", "state": "Baden-Württemberg"})
    ]
    assert found(*rows, ("Madrid", "Madrid", "28001"), country=["Germany"] * 6 + ["Spain"]) == []


def test_a_postcode_abroad_with_two_digits_exchanged_is_mended_by_those_of_its_city():
    rows = [("Bremen", "", f"28{number:03d}") for number in range(195, 210)]
    countries = ["Germany"] * 16
    assert found(*rows, ("Bremen", "", "82203"), country=countries) == [("postcode-exchanged", {"zip": "28203"})]
    assert found(*rows, ("Bremen", "", "27568"), country=countries) == []  # another start, but nothing exchanged
    assert found(*rows[:5], ("Bremen", "", "82203"), country=["Germany"] * 6) == []
