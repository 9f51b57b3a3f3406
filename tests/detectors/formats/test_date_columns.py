"""A column of dates is read by a compiled pass as it would be one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detectors.formats.column import distinct
from detectors.formats.date_columns import read_dates
from detectors.formats.dates import decide_orders, resolve, take_apart

ODD = [
    "1/2/3", "1/2/20", "01/02/2020", "1-2/2020", "2020/1/2", "2020-02-30", "29.02.2023", "29.2.2024", "0000-01-01",
    "1/13/0000", "13/13/2020", "00/01/2020", "20200230", "20200131", "18000101", "17991231", "99999999", "1 2 2020",
    "1. 2. 2020", "1/2/2020\0", "\0", "١/٢/٢٠٢٠", "1/2/'20", " 1/2/2020 ", "1/2/2020 10:00", "1//2020", "/1/2020",
    "1/2/", "1/2/202", "1/2/20200", "12345678901", "1/2/2020/3", "4 March 2021", "9999-12-31", "31/12/9999", "-1/2/20",
]  # fmt: skip


def _one_by_one(values: pd.Series, *, past: bool) -> list[pd.Timestamp | None]:
    codes, texts = distinct(values)
    parts = [take_apart(text, past=past) for text in texts]
    orders = decide_orders(parts, np.bincount(codes[codes >= 0], minlength=len(texts)))
    found = [resolve(part, orders) for part in parts]
    return [None if code < 0 or (one := found[code]) is None else one.day for code in codes]


@pytest.mark.parametrize("past", [False, True])
def test_dates_of_a_column_are_read_as_one_by_one(past):
    rng = np.random.default_rng(0)
    drawn = [
        separator.join(str(each) for each in rng.permutation([rng.integers(0, 35), rng.integers(0, 14), year]))
        for separator in "-/. "
        for year in rng.choice([7, 68, 69, 99, 1850, 2024, 12345], 200)
    ]
    for values in (pd.Series(ODD + drawn, dtype=object), *(pd.Series([text], dtype=object) for text in ODD)):
        found = read_dates(values, past=past)["date"]
        assert [None if pd.isna(day) else day.date() for day in found] == _one_by_one(values, past=past)


def test_a_source_without_evidence_is_read_in_the_columns_order():
    texts = pd.Series(["13/02/2024"] * 30 + ["03/04/2024"], dtype=object)
    origin = pd.Series(["erp"] * 30 + ["shop"], dtype=object)
    found = read_dates(texts, origin)
    assert found["date"].iloc[-1] == pd.Timestamp(2024, 4, 3)
    assert not found["ambiguous"].iloc[-1]


def test_an_empty_or_blank_column_holds_no_dates():
    assert len(read_dates(pd.Series([], dtype=object))) == 0
    assert read_dates(pd.Series([None, " ", "\0"], dtype=object))["date"].isna().all()
