"""A word that stands once, one slip from a common word of its column, is mended; names and other words are not."""

import numpy as np
import pytest

from detectors.formats.column import Column
from detectors.formats.typing_slips import meanings, slips_of
from detectors.formats.word_slips import slips
from detectors.roles import Role


def mended(role, common, *values):
    column = Column(role, (*common, *values), np.ones(len(common) + len(values), dtype=np.int64))
    return [remark.value for _, remark in sorted(slips(column).items())]


CLINICS = [f"PHYSICAL THERAPY {number} LLC" for number in range(12)] + [f"STEVEN {number} PORTS" for number in range(4)]
STREETS = [f"{number} place de Verdun" for number in range(10)] + [f"{number} Monroe Gardens" for number in range(10)]


@pytest.mark.parametrize(
    ("value", "proper"),
    [
        ("KING PHYSICAL THERPAY LLC", "KING PHYSICAL THERAPY LLC"),
        ("KING PHHYSICAL THERAPY LLC", "KING PHYSICAL THERAPY LLC"),
        ("KING PHYSIVAL THERAPY", "KING PHYSICAL THERAPY"),
        ("KING PHY5ICAL THERAPY", "KING PHYSICAL THERAPY"),
    ],
)
def test_a_word_one_slip_from_a_common_one_is_mended(value, proper):
    assert mended(Role.COMPANY, CLINICS, value) == [proper]


@pytest.mark.parametrize("value", ["SEVEN PORTS", "THERAPIST LLC", "KING PHYSICIAN LLC", "PHYSIVAL THERPAY LLC"])
def test_other_words_rare_ones_and_two_at_once_are_left_alone(value):
    assert mended(Role.COMPANY, CLINICS, value) == []


def test_a_mended_word_is_written_as_its_column_writes_it():
    assert mended(Role.STREET, STREETS, "34 plaace de Verdun", "17 Monroe aGrdens", "8 M0nroe Gardens") == [
        "34 place de Verdun",
        "17 Monroe Gardens",
        "8 Monroe Gardens",
    ]


def test_a_name_of_a_person_is_no_misspelt_word():
    common = [f"{number} Morrison Street" for number in range(12)]
    assert mended(Role.STREET, common, "3 Morison Street") == []


def test_a_slip_of_two_words_means_neither():
    assert "frms" in meanings(["farms"])
    assert "frms" not in meanings(["farms", "forms"])
    assert meanings(["center"])["centre"] == "center"
    assert "center" not in set(slips_of("center"))
