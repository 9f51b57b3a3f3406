"""Which claims one decision may settle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.patterns import describe, pattern_of, rewriting


def pattern(before: str | None, after: str | None, *, field: str = "Phone", **said: str) -> str:
    claim = {"detector": "formats", "rule": "phone-format", "action": "set"} | said
    return pattern_of(**claim, before={field: before}, after={field: after})


digits = st.text("0123456789", min_size=7, max_size=7)
words = st.text("abcdefghijklmnopqrstuvwxyzäöé", min_size=2, max_size=12)
cells = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1, max_size=12)
busy = st.text("ab AB12,.-@/", min_size=1, max_size=8)


@given(digits, digits)
def test_two_numbers_written_anew_in_the_same_way_share_a_pattern(one: str, other: str) -> None:
    def us(number: str) -> str:
        return pattern(f"(202) {number[:3]}-{number[3:]}", f"+1202{number}")

    assert us(one) == us(other)


@given(digits)
def test_another_country_code_is_another_pattern(number: str) -> None:
    before = f"0{number[:3]} {number[3:]}"
    assert pattern(before, f"+49{number}") != pattern(before, f"+43{number}")


days = st.dates().filter(lambda day: day.year >= 1000 and day.day != day.month)


@given(days, days)
def test_dates_read_in_the_same_order_share_a_pattern_and_others_do_not(one, other) -> None:
    def day_first(day) -> str:
        return pattern(f"{day.day}/{day.month}/{day.year}", day.isoformat())

    assert day_first(one) == day_first(other)
    assert day_first(one) != pattern(f"{other.month}/{other.day}/{other.year}", other.isoformat())


def test_a_date_that_needs_no_zero_is_rewritten_like_one_that_does() -> None:
    assert (
        pattern("2015/2/22", "2015-02-22") == pattern("2024/11/23", "2024-11-23") == pattern("2017/5/5", "2017-05-05")
    )


@given(days, days)
def test_months_by_name_share_one_pattern(one, other) -> None:
    assert pattern(f"{one:%d %B %Y}", one.isoformat()) == pattern(f"{other:%d %B %Y}", other.isoformat())


@given(words, words)
def test_words_that_take_capitals_share_a_pattern(one: str, other: str) -> None:
    assert pattern(one.upper(), one.capitalize()) == pattern(other.upper(), other.capitalize())


@given(words, words)
def test_mailboxes_at_the_same_mistyped_provider_share_a_pattern(one: str, other: str) -> None:
    assert pattern(f"{one}@gmial.com", f"{one}@gmail.com") == pattern(f"{other}@gmial.com", f"{other}@gmail.com")


def test_a_mailbox_moved_elsewhere_is_another_pattern() -> None:
    assert pattern("ann@gmial.com", "ann@gmail.com") != pattern("ann@gmial.com", "ann@mail.com")


def test_equal_typos_share_a_pattern_and_the_same_word_to_another_value_does_not() -> None:
    assert pattern("Bostn", "Boston") == pattern("Bostn", "Boston")
    assert pattern("Bostn", "Boston") != pattern("Bostn", "Bolton")
    assert pattern("Acme North", "Acme South") != pattern("Beta North", "Beta South")


@given(st.one_of(st.tuples(busy, busy, busy), st.tuples(cells, cells, cells)))
def test_the_same_value_to_another_result_is_never_one_pattern(values: tuple[str, str, str]) -> None:
    before, one, other = values
    if one != other:
        assert pattern(before, one) != pattern(before, other), (rewriting(before, one), rewriting(before, other))


@given(cells, cells)
def test_another_column_rule_or_detector_is_another_pattern(before: str, after: str) -> None:
    here = pattern(before, after)
    assert here != pattern(before, after, field="Mobile")
    assert here != pattern(before, after, rule="phone-prefix")
    assert here != pattern(before, after, detector="conflicts")


@given(cells, cells)
def test_every_rewriting_is_told_in_words(before: str, after: str) -> None:
    assert before == after or describe(rewriting(before, after))


def test_a_blank_is_filled_alike_only_with_the_same_value() -> None:
    assert pattern(None, "US") == pattern("", "US") != pattern(None, "DE")
    assert pattern("n/a", None) == pattern("n/a", None) != pattern("none", None)


def test_names_that_stand_in_each_others_field_share_a_pattern() -> None:
    def swapped(given: str, family: str) -> str:
        before, after = {"Given": given, "Family": family}, {"Given": family, "Family": given}
        return pattern_of(detector="formats", rule="name-swapped", action="set", before=before, after=after)

    assert swapped("Lee", "Ann") == swapped("Poe", "Cy")


def test_flags_share_a_pattern_by_the_value_they_are_about_and_merges_have_none() -> None:
    def flag(value: str | None) -> str:
        return pattern_of(detector="formats", rule="email", action="flag", before={"Email": value}, after={})

    assert flag("test@test.com") == flag("test@test.com") != flag("a@test.com")
    assert flag(None) == ""
    assert pattern_of(detector="duplicates", rule="", action="merge", before={}, after={"Name": "Ann"}) == ""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("030 901820", "+4930901820", "N N → +N, 0 in front becomes 49"),
        ("(202) 555-0101", "+12025550101", "(N) N-N → +N, 1 in front is added"),
        ("03/04/21", "2021-04-03", "①/②/③ → 20③-②-①"),
        ("JANE DOE", "Jane Doe", "capitals → Capitalised"),
        ("12 Main Str", "12 Main Street", "… Str → … Street"),
        ("Bostn", "Boston", "Bostn → Boston"),
    ],
)
def test_a_pattern_is_said_so_that_a_person_can_read_it(before: str, after: str, said: str) -> None:
    assert describe(rewriting(before, after)) == said
