"""A misspelt name is mended by the person's own e-mail address; names that exist are left alone."""

import pandas as pd
import pytest

from detectors.contract import Batch, RunContext
from detectors.formats.detector import FormatDetector
from detectors.formats.names_by_mail import misspelt, orders
from detectors.roles import Role

OTHERS = [("Chloé", "Nicolas", ""), ("Chloé", "Blanc", ""), ("Gómez", "Gomez", ""), ("Ana", "Gómez", "")]


def mended(given, family, email):
    rows = [(given, family, email), *OTHERS]
    columns = zip(*rows, strict=True)
    found = misspelt(*(pd.Series(list(column), dtype=object) for column in columns))
    return [(one.is_given, one.value, one.score) for one in found if one.row == 0]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (("Partick", "Jones", "patrick.jones@example.com"), [(True, "Patrick", 0.93)]),
        (("Patrick", "Jonse", "patrick.jones77@example.com"), [(False, "Jones", 0.93)]),
        (("Jpyce", "Blackton", "joyceb88@example.com"), [(True, "Joyce", 0.93)]),
        (("Anna", "Thronhurst", "athornhurst@example.com"), [(False, "Thornhurst", 0.65)]),
        (("Pau1", "Meyer", "paul.meyer@example.com"), [(True, "Paul", 0.93)]),
        (("Chlloé", "Nicolas", "chloe.nicolas@example.com"), [(True, "Chloé", 0.93)]),
        (("CHRISTOPEHR", "REED", "christopher@example.com"), [(True, "CHRISTOPHER", 0.93)]),
        (("Lucía", "Torres Gonzzález", "lucia.gonzalez@example.com"), [(False, "Torres González", 0.93)]),
        (("Agnieszka", "Syępień", "agnieszka.stepien95@example.com"), [(False, "Stępień", 0.93)]),
    ],
)
def test_a_name_one_slip_from_what_the_address_says_is_mended(row, found):
    assert mended(*row) == found


@pytest.mark.parametrize(
    "row",
    [
        ("Jon", "Smith", "john.smith@example.com"),
        ("Kathryn", "Reed", "katherine.reed@example.com"),
        ("Jörg", "Jäger", "joerg.jaeger@example.com"),
        ("Łukasz", "Wójcik", "lukasz.wojcik@example.com"),
        ("Oriwald", "Fairwalt", "jfairwalt@example.com"),
        ("Dan", "Zzyzx", "dani@example.com"),
        ("Anna", "Fairwalt", "info@example.com"),
        ("Anna", "Fairwalt", "not an address"),
        (None, None, "patrick.jones@example.com"),
        ("Partick", "Jones", None),
    ],
)
def test_names_that_exist_or_that_the_address_does_not_deny_are_left_alone(row):
    assert mended(*row) == []


def test_the_finding_names_both_fields_and_its_rule():
    frame = pd.DataFrame({"f": ["Partick"], "l": ["Jones"], "m": ["patrick.jones@example.com"]}, dtype=object)
    batch = Batch(frame, {"f": Role.GIVEN_NAME, "l": Role.FAMILY_NAME, "m": Role.EMAIL})
    (finding,) = FormatDetector().detect(batch, RunContext())
    assert (finding.rule, dict(finding.proposal.changes)) == ("name-by-mail", {"f": "Patrick"})
    assert finding.evidence[0].fields == ("f", "m")


USUAL = [
    (f"Ann{letter}", f"Smith{letter}", f"ann{letter}.smith{letter}@example.com") for letter in "bcdefghijklmnopqrstuv"
]


def order_of(*rows, usual=USUAL):
    columns = zip(*rows, *usual, strict=True)
    return orders(*(pd.Series(list(column), dtype=object) for column in columns))[: len(rows)].tolist()


def test_an_address_tells_which_of_two_names_comes_first():
    rows = [
        ("Laurent", "Robert", "laurent.robert98@example.com"),
        ("Robert", "Laurent", "laurent.robert98@example.com"),
        ("Ashwood", "Robert", "rashwood@example.com"),
        ("Narakar", "Ganesh", "ganeshn72@example.com"),
        ("Anderson", "Ribeiro Lia", "anderson.ribeiro@example.com"),
        ("Ann", "Lee", "info@example.com"),
        ("Ann", None, "ann.lee@example.com"),
    ]
    assert order_of(*rows, usual=USUAL * 2) == [1, -1, -1, -1, 1, 0, 0]


def test_where_addresses_put_the_family_name_first_they_are_read_so():
    turned = [
        (given, family, ".".join(mail.partition("@")[0].split(".")[::-1]) + "@x.com") for given, family, mail in USUAL
    ]
    assert order_of(("Ann", "Lee", "lee.ann@x.com"), usual=turned) == [1]
    assert order_of(("Lee", "Ann", "lee.ann@x.com"), usual=turned) == [-1]


def test_a_column_without_a_custom_tells_nothing():
    assert order_of(("Robert", "Laurent", "laurent.robert@example.com"), usual=USUAL[:5]) == [0]


def test_names_that_changed_places_are_found_by_the_address_and_left_alone_where_it_confirms_them():
    rows = [("Ashwood", "Bertram", "bertram.ashwood@example.com"), *USUAL]
    frame = pd.DataFrame(rows, columns=["f", "l", "m"], dtype=object)
    batch = Batch(frame, {"f": Role.GIVEN_NAME, "l": Role.FAMILY_NAME, "m": Role.EMAIL})
    (finding,) = FormatDetector().detect(batch, RunContext())
    assert (finding.rule, dict(finding.proposal.changes)) == ("name-swapped", {"f": "Bertram", "l": "Ashwood"})
