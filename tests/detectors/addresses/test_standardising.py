"""Usual spellings fall together; standard street lines."""

import random

import pytest

from detectors.addresses.composing import broken_records, street_line
from detectors.addresses.gazetteer import kilometres, us_gazetteer
from detectors.addresses.recipe import isotonic
from detectors.addresses.standardising import like, place_key, standard_street
from detectors.addresses.streets import correct_street
from detectors.addresses.worldwide import country_code, rules_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("St. Louis", "SAINT LOUIS"),
        ("Mt Olive", "Mount Olive"),
        ("N Las Vegas", "North Las  Vegas"),
        ("Cañon City", "CANON CITY"),
        ("O'Fallon", "OFallon"),
        ("La Grange", "LaGrange"),
    ],
)
def test_usual_spellings_of_a_place_share_a_key(one, other):
    assert place_key(one) == place_key(other)


@pytest.mark.parametrize(
    ("given", "standard"),
    [
        ("12 North Main Street, Apartment 4", "12 N MAIN ST APT 4"),
        ("100 Court St", "100 COURT ST"),
        ("9 Oak Avenue Northwest", "9 OAK AVE NW"),
        ("5 North Street", "5 NORTH ST"),
    ],
)
def test_a_street_line_is_written_as_the_post_does(given, standard):
    assert standard_street(given) == standard


def test_letter_case_follows_the_model():
    assert [like("Boston", model) for model in ("BSTON", "bston", "Bston", None)] == [
        "BOSTON",
        "boston",
        "Boston",
        "Boston",
    ]


def test_countries_are_known_by_code_name_and_usual_alias():
    assert [country_code(name) for name in ("us", "U.S.A.", "Deutschland", "gbr", "Nowhereland")] == [
        "US",
        "US",
        "DE",
        "GB",
        None,
    ]
    assert rules_of("de").code_first
    assert rules_of("xx") is None


def test_distance_is_right_to_a_percent_at_city_scale():
    assert kilometres((41.88, -87.63), (43.04, -87.91)) == pytest.approx(131.0, rel=0.01)


def test_composed_records_are_broken_as_asked():
    records = broken_records(us_gazetteer(), 400, random.Random(3))
    share = sum(record.typed != record.meant for record in records) / len(records)
    assert 0.3 < share < 0.48
    assert all(bool(record.error) == (record.typed != record.meant) for record in records)


def test_composed_street_lines_are_hardly_ever_corrected():
    rng = random.Random(5)
    names = frozenset(us_gazetteer().name_words())
    lines = [" ".join(word for word, _ in street_line(rng)) for _ in range(3_000)]
    wrong = [line for line in lines if (mended := correct_street(line, names)) and mended.raw > 0.9]
    assert len(wrong) <= 9


def test_an_isotonic_curve_rises():
    points = [(x / 10, (x * 7919) % 100 < x) for x in range(100)] * 10
    levels = [level for _, level in isotonic(points)]
    assert levels == sorted(levels)
    assert all(0 <= level < 1 for level in levels)
