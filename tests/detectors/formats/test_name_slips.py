"""A given name that nobody has and that is one slip of the fingers from a common one is mended."""

import numpy as np
import pandas as pd
import pytest

from detectors.contract import Batch, RunContext
from detectors.formats.column import Column
from detectors.formats.detector import FormatDetector
from detectors.formats.name_slips import slips
from detectors.roles import Role

COMMON = ["Christopher", "Martin", "Joshua", "Andrea", "Chloé"]


def mended(name, rows=1):
    column = Column(Role.GIVEN_NAME, (*COMMON, name), np.array([20] * len(COMMON) + [rows], dtype=np.int64))
    return slips(column)[len(COMMON)].value if len(COMMON) in slips(column) else None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Christopehr", "Christopher"),
        ("Josjua", "Joshua"),
        ("Maartin", "Martin"),
        ("MRTIN", "MARTIN"),
        ("Chlo", None),
        ("Chlooé", "Chloé"),
    ],
)
def test_exchanged_doubled_lost_and_neighbouring_keys_are_slips(typed, meant):
    assert mended(typed) == meant


@pytest.mark.parametrize("name", ["Marcin", "Martina", "Andrew", "Xochitl", "Christoph", "José María"])
def test_other_names_are_no_slips(name):
    assert mended(name) is None


def test_a_name_in_two_rows_is_a_name():
    assert mended("Josjua", rows=2) is None


def test_a_name_that_the_persons_address_holds_is_left_alone():
    names = [*["Rajesh"] * 20, "Rajwsh", "Rajwsh"[:5] + "j"]
    mails = [*["info@example.com"] * 20, "rajwsh.k@example.com", "k@example.com"]
    frame = pd.DataFrame({"f": names, "l": ["Kumar"] * 22, "m": mails}, dtype=object)
    batch = Batch(frame, {"f": Role.GIVEN_NAME, "l": Role.FAMILY_NAME, "m": Role.EMAIL})
    found = [one for one in FormatDetector().detect(batch, RunContext()) if one.rule == "name-slip"]
    assert [one.subjects for one in found] == []
    batch.frame.loc[20, "m"] = "k@example.com"
    found = [one for one in FormatDetector().detect(batch, RunContext()) if one.rule == "name-slip"]
    assert [(one.subjects[0], dict(one.proposal.changes)) for one in found] == [(20, {"f": "Rajesh"})]
