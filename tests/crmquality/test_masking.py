"""Masked values: their shape stays, what differs shows, and nothing of them can be read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmquality.masking import is_masked, masked, masked_sentence, masked_together

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)


@pytest.mark.parametrize(
    ("value", "look"),
    [
        ("Ann Lee", "A•• L••"),
        ("bob@gmial.com", "b••@g••••.c••"),
        ("+1 202 555 0102", "+◦ ◦◦◦ ◦◦◦ ◦◦◦◦"),
        ("1980-05-17", "◦◦◦◦-◦◦-◦◦"),
        ("O'BRIEN", "●'B●●●●"),
        ("", ""),
        (None, None),
    ],
)
def test_the_shape_of_a_value_stays(value, look):
    assert masked(value) == look


@given(texts)
def test_a_mask_is_as_long_as_its_value_and_shows_no_two_letters_in_a_row(value):
    look = masked(value) or ""
    assert len(look) == len(value)
    assert not any(a.isalnum() and b.isalnum() for a, b in pairwise(look))


@given(texts)
def test_masking_twice_is_masking_once(value):
    assert masked(masked(value)) == masked(value)


def test_a_small_difference_shows_and_the_rest_does_not():
    assert masked_together(["Jhon Smith", "John Smith"]) == ["J•o• S••••", "Jo•• S••••"]
    assert masked_together(["+1 202 555 0102", "+1 202 555 0103"]) == ["+◦ ◦◦◦ ◦◦◦ ◦◦◦2", "+◦ ◦◦◦ ◦◦◦ ◦◦◦3"]


def test_values_that_differ_in_most_are_hidden_whole_and_told_apart():
    assert masked_together(["Rob Ray", "Tim Fox", "Rob Ray"]) == ["R•• R••", "T•• F••", "R•• R••"]
    assert masked_together(["Lena", "Luca", None]) == ["L•••", "L••• (2)", None]


@given(st.lists(texts, max_size=5))
def test_masks_are_equal_exactly_where_the_values_are(values):
    looks = masked_together(values)
    for value, look in zip(values, looks, strict=True):
        for other, other_look in zip(values, looks, strict=True):
            assert (value == other) == (look == other_look)


@given(st.lists(st.from_regex(r"[A-Za-z]{6,12}", fullmatch=True), min_size=2, max_size=5, unique=True))
def test_no_value_can_be_read_out_of_a_comparison(values):
    assert not set(values) & set(masked_together(values))


@pytest.mark.parametrize("strict", [True, False])
def test_a_sentence_tells_nothing_of_the_values_it_is_about(strict):
    secrets = ["bob@gmial.com", "Bob Ray", "202 555 0102", None]
    told = masked_sentence("“gmial.com” of BOB RAY (2025550102) is no well-known domain", secrets, strict=strict)
    assert not any(word in told.lower() for word in ("gmial", "bob", "ray", "2025550102"))
    assert told.endswith("is no well-known domain")


def test_a_sentence_about_a_hidden_field_tells_no_other_spelling_either():
    told = masked_sentence("Written as “Robert” elsewhere, born 17 May", ["Bob"], strict=True)
    assert "Robert" not in told
    assert "17" not in told


def test_what_was_masked_is_known_as_such():
    assert is_masked(masked("Ann"))
    assert not is_masked("Ann")
