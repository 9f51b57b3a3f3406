"""Which cells count as missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.missing_values import PLACEHOLDERS as LISTED
from detectors.missing_values import blank_out, is_missing, missing_texts

BLANKS = [None, np.nan, "", "  ", "\u00a0", "\u200b", "\0"]
PLACEHOLDERS = [
    "N/A",
    "n/a ",
    "NaN",
    "NULL",
    "None",
    "Unknown",
    " ?",
    "-",
    "--",
    "...",
    "—",
    "xxx",
    "k.A.",
    "#REF!",
]


@pytest.mark.parametrize("cell", BLANKS + PLACEHOLDERS)
def test_a_blank_cell_or_placeholder_is_missing(cell):
    assert is_missing(pd.Series([cell, "Anna"], dtype=object)).tolist() == [True, False]


@pytest.mark.parametrize(
    "cell", ["0", "no", "False", "other", "Nancy", "Null & Sons", "-1", "x", "N", "unknown street 5"]
)
def test_a_value_that_only_looks_odd_is_kept(cell):
    assert not is_missing(pd.Series([cell], dtype=object)).any()


def test_na_is_namibia_among_country_codes_and_a_blank_elsewhere():
    assert is_missing(pd.Series(["NA", "DE", "FR", None], dtype=object)).tolist() == [
        False,
        False,
        False,
        True,
    ]
    assert is_missing(pd.Series(["NA", "Berlin", "Paris"], dtype=object)).tolist() == [True, False, False]


def test_the_index_is_kept_and_empty_and_all_missing_columns_are_no_error():
    assert is_missing(pd.Series([None, "a"], index=[9, 2], dtype=object)).index.tolist() == [9, 2]
    assert is_missing(pd.Series([], dtype=object)).empty
    assert is_missing(pd.Series([None, None], dtype=object)).all()


def test_blanking_out_keeps_values_order_and_repeated_headers():
    frame = pd.DataFrame([["a", " "], ["?", " b "]], columns=["x", "x"], index=[4, 1], dtype=object)
    cleaned = blank_out(frame)
    assert cleaned.to_numpy().tolist() == [["a", None], [None, " b "]]
    assert cleaned.columns.tolist() == ["x", "x"]
    assert frame.iloc[1, 0] == "?"


AROUND = st.text(" \t\x1c\u00a0\u200b\ufeff\0", max_size=3)
WORDS = st.sampled_from(sorted(LISTED)) | st.text("-._?xX/", max_size=5) | st.text(max_size=8)
CASED = st.builds(lambda word, change: change(word), WORDS, st.sampled_from([str, str.upper, str.title]))
CELLS = st.none() | st.builds(lambda before, word, after: before + word + after, AROUND, CASED, AROUND)


@given(st.lists(CELLS, max_size=30))
def test_a_column_of_polars_is_read_alike(cells):
    quick = missing_texts(pl.Series(cells, dtype=pl.String))
    assert quick.tolist() == is_missing(pd.Series(cells, dtype=object)).tolist()


def test_a_code_is_a_value_among_other_codes_though_most_regions_are_names():
    codes = ["NC", "CA", "TX", "NY", "OH", "PA", "IL", "SP", "WA", "VA", "GA", "FL"]
    names = [f"Region {number}" for number in range(30)]
    missing = is_missing(pd.Series([*codes, *names], dtype=object))
    assert not missing.any()
    assert missing_texts(pl.Series([*codes, *names])).tolist() == missing.tolist()
    assert is_missing(pd.Series(["NC", *names], dtype=object)).tolist() == [True] + [False] * len(names)
