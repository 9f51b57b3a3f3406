"""Address lines are split into street, place, region and postcode."""

import pytest

from detectors.addresses.parsing import PARTS, AddressParser
from detectors.addresses.standardising import folded


@pytest.fixture(scope="module")
def parser():
    return AddressParser()


def parts(parser, text):
    parsed = parser.parse(text)
    return tuple(getattr(parsed, part) for part in PARTS)


@pytest.mark.parametrize(
    "text",
    [
        "12 Oak St, Springfield, IL 62701",
        "12 Oak St Springfield IL 62701",
        "12 Oak St\nSpringfield, IL 62701",
        "12 Oak St | Springfield | IL | 62701",
        "12 Oak St, Springfield, IL 62701, USA",
        "12 Oak St; Springfield; IL; 62701; United States of America",
    ],
)
def test_the_layout_of_a_line_does_not_matter(parser, text):
    assert parts(parser, text) == ("12 Oak St", "Springfield", "IL", "62701")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 ELM AVE N LAS VEGAS NV 89030", ("1 ELM AVE", "N LAS VEGAS", "NV", "89030")),
        ("350 5th Ave New York New York 10118", ("350 5th Ave", "New York", "New York", "10118")),
        ("7 Peach St, Atlanta, Georgia 30303", ("7 Peach St", "Atlanta", "Georgia", "30303")),
        ("1 Main St, Georgia, VT 05454", ("1 Main St", "Georgia", "VT", "05454")),
        ("PO BOX 12 ST LOUIS MO 63101-1234", ("PO BOX 12", "ST LOUIS", "MO", "63101-1234")),
        ("Apt 4, 9 Elm St, Boston, MA 02108", ("Apt 4, 9 Elm St", "Boston", "MA", "02108")),
        ("9 elm st, # 8 boston ma 02108", ("9 elm st, # 8", "boston", "ma", "02108")),
        ("PSC 3 Box 12, APO, AE 09012", ("PSC 3 Box 12", "APO", "AE", "09012")),
        ("Springfield, IL 62701", ("", "Springfield", "IL", "62701")),
        ("12 Oak St Springfield IL62701", ("12 Oak St", "Springfield", "IL", "62701")),
    ],
)
def test_places_regions_units_and_boxes_are_told_apart(parser, text, wanted):
    assert parts(parser, text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12 Oak St Springfeild IL 62701", ("12 Oak St", "Springfeild", "IL", "62701")),
        ("12 Oak St Springfield LI 62701", ("12 Oak St", "Springfield", "LI", "62701")),
        ("12 Oak St, Springfield, Ilinois 62701", ("12 Oak St", "Springfield", "Ilinois", "62701")),
        ("12 Oak St, Springfield IL 6270", ("12 Oak St", "Springfield", "IL", "6270")),
        ("12 Oka Stret Springfield IL 62701", ("12 Oka Stret", "Springfield", "IL", "62701")),
        ("1 Elm St WETS CHESTER PA 19380", ("1 Elm St", "WETS CHESTER", "PA", "19380")),
    ],
)
def test_a_typing_error_stays_in_its_part(parser, text, wanted):
    assert parts(parser, text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hauptstr. 5, 10115 Berlin, Germany", ("Hauptstr. 5", "Berlin", "", "10115", "DE")),
        ("Keizersgracht 123, 1015 CJ Amsterdam", ("Keizersgracht 123", "Amsterdam", "", "1015 CJ", "NL")),
        ("10 Downing Street, London SW1A 2AA", ("10 Downing Street", "London", "", "SW1A 2AA", "GB")),
        ("100 Queen St W, Toronto, ON M5H 2N2", ("100 Queen St W", "Toronto", "ON", "M5H 2N2", "CA")),
        ("12 George St, Sydney NSW 2000", ("12 George St", "Sydney", "NSW", "2000", "AU")),
        (
            "Av. Reforma 2, 06600 Ciudad de México, CDMX, Mexico",
            ("Av. Reforma 2", "Ciudad de México", "CDMX", "06600", "MX"),
        ),
    ],
)
def test_lines_of_other_countries_are_read_by_their_rules(parser, text, wanted):
    parsed = parser.parse(text)
    assert (*parts(parser, text), parsed.country) == wanted


def test_a_place_outside_the_table_is_found_by_the_tagger(parser):
    assert parts(parser, "1250 N MAIN ST STE 4 BROKENDALE IL 62701") == (
        "1250 N MAIN ST STE 4",
        "BROKENDALE",
        "IL",
        "62701",
    )


def test_confidence_is_lower_where_the_table_leaves_it_open(parser):
    sure = parser.parse("12 Oak St, Springfield, IL 62701").confidence
    unsure = parser.parse("12 Oak Brokendale Heights").confidence
    assert min(sure.values()) > 0.95
    assert unsure["place"] < 0.6
    assert all(0 <= value <= 1 for value in [*sure.values(), *unsure.values()])


@pytest.mark.parametrize(
    "text", ["", " ", ",,,", "\0", "\u202e\u0000\U0001f600", "x" * 40_000, "1 " * 9_000, "62701", "\n;|"]
)
def test_a_bad_line_never_raises(parser, text):
    assert parser.parse(text).country == ""


def test_a_bad_line_never_stops_a_batch(parser):
    texts = ["12 Oak St, Springfield, IL 62701", "\0\0", "", "1 Elm St Boston MA 02108"]
    assert [one.postcode for one in parser.parse_many(texts)] == ["62701", "", "", "02108"]


def test_parts_are_compared_with_case_and_space_folded():
    assert folded(" 12  Main ST,Apt 4 ") == folded("12 main st, apt 4")
    assert folded("12 Main St") != folded("12 Main Street")
