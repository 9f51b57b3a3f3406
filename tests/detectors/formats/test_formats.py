"""What the format rules read, propose and leave alone."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from detectors.contract import Batch, Flag, Label, RunContext, SetFields
from detectors.formats import countries, dates, emails, encoding, identifiers, names, numbers, phones, urls
from detectors.formats.column import Column
from detectors.formats.date_columns import read_dates
from detectors.formats.detector import FormatDetector
from detectors.formats.validity import filled_mask, valid_mask
from detectors.roles import Role


def column(role, *values, key=""):
    return Column(role, values, np.ones(len(values), dtype=np.int64), key)


def proposed(check, role, *values, key=""):
    return [found.value for _, found in sorted(check(column(role, *values, key=key)).items())]


def detect(frame, roles, origin=None):
    return list(FormatDetector().detect(Batch(frame, roles, origin=origin or {}), RunContext()))


def test_the_order_of_dates_is_decided_by_the_column_and_its_source():
    texts = pd.Series(["13/02/2024", "03/04/2024", "02/13/2024", "03/04/2024"])
    origin = pd.Series(["erp", "erp", "shop", "shop"])
    found = read_dates(pd.concat([texts] * 20, ignore_index=True), pd.concat([origin] * 20, ignore_index=True))
    assert [str(day.date()) for day in found["date"].head(4)] == [
        "2024-02-13",
        "2024-04-03",
        "2024-02-13",
        "2024-03-04",
    ]
    assert not found["ambiguous"].any()


def test_a_date_whose_order_nothing_tells_is_ambiguous():
    found = read_dates(pd.Series(["03/04/2024", "05/06/2024", "2024-01-31"]))
    assert found["ambiguous"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "4 March 2021",
        "March 4, 2021",
        "4. März 2021",
        "4 de marzo de 2021",
        "04-Mar-21",
        "2021-03-04T10:00:00Z",
        "20210304",
    ],
)
def test_dates_in_words_and_in_standard_form_need_no_column(text):
    assert read_dates(pd.Series([text]))["date"].iloc[0] == pd.Timestamp(2021, 3, 4)


def test_dates_that_do_not_exist_are_not_invented():
    assert read_dates(pd.Series(["31/02/2024", "2024-13-01", "soon", None]))["date"].isna().all()


def test_a_date_of_birth_is_not_in_the_future():
    year = date.today().year + 1
    assert not dates.is_valid(f"{year}-01-01", Role.DATE_OF_BIRTH)
    assert read_dates(pd.Series([f"13/01/{year % 100}"]), past=True)["date"].iloc[0].year == year - 100


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ann@gmial.com", "ann@gmail.com"),
        ("ann@hotmail.con", "ann@hotmail.com"),
        ("ann at gmail.com", "ann@gmail.com"),
        ("ann@gmail,com", "ann@gmail.com"),
        ("Ann Lee <ann@example.org>", "ann@example.org"),
        ("ann@gmailcom", "ann@gmail.com"),
    ],
)
def test_slips_in_e_mails_are_mended(typed, meant):
    assert proposed(emails.remarks, Role.EMAIL, typed) == [meant]


@pytest.mark.parametrize("text", ["ann@yahoo.ca", "o'neil.ann+crm@mail.example.co.uk", "ann@gmx.fr"])
def test_real_e_mails_are_left_alone(text):
    assert emails.is_valid(text)
    assert not emails.remarks(column(Role.EMAIL, text))


def test_role_and_throw_away_accounts_are_asked_about_not_changed():
    found = emails.remarks(column(Role.EMAIL, "info@acme.example.com", "x@mailinator.com"))
    assert [found[0].rule, found[1].rule] == ["email-role", "email-throw-away"]
    assert not any(remark.proposes for remark in found.values())


def test_phones_are_read_by_the_country_of_the_record():
    assert proposed(phones.remarks, Role.PHONE, "(020) 7946 0018", key="GB") == ["+442079460018"]
    assert proposed(phones.remarks, Role.PHONE, "0049 30 901820", key="US") == ["+4930901820"]
    assert not phones.is_valid("call me", "US")


def test_the_record_without_a_country_is_read_for_the_commonest_at_a_lower_score():
    frame = pd.DataFrame({"P": ["(212) 736-5000", "212-736-3100", "2127365001"], "C": ["US", "US", None]}, dtype=object)
    found = {finding.subjects[0]: finding for finding in detect(frame, {"P": Role.PHONE, "C": Role.COUNTRY})}
    assert found[2].proposal == SetFields({"P": "+12127365001"})
    assert found[2].score < found[0].score


@pytest.mark.parametrize(
    ("text", "code"),
    [("Deutschland", "DE"), ("U.S.A.", "US"), ("Côte d’Ivoire", "CI"), ("CHE", "CH"), ("Atlantis", "")],
)
def test_countries_are_known_in_many_languages(text, code):
    assert countries.country_of(text) == code


def test_countries_follow_the_style_of_their_column():
    assert proposed(countries.country_remarks, Role.COUNTRY, "DE", "FR", "US", "Germany") == ["DE"]


def test_a_dollar_is_read_by_the_country():
    assert countries.currency_of("$", "CA") == "CAD"
    assert countries.currency_of("$") == ""


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,234.56", "1234.56", ""),
        ("1.234,56", "1234.56", ""),
        ("(1,200.50)", "-1200.50", ""),
        ("12.0 oz", "12.0", "oz"),
        ("$5k", "5000", "$"),
    ],
)
def test_numbers_are_read_with_separators_and_units(text, value, unit):
    reading = numbers.read(text)
    assert (numbers.plain(reading.value), reading.unit) == (value, unit)


def test_the_decimal_sign_is_decided_by_the_column():
    assert proposed(numbers.remarks, Role.AMOUNT, "1.234", "3,50", "12,75") == ["1234", "3.50", "12.75"]
    assert numbers.read("1,234").ambiguous


def test_digits_left_by_rounding_are_taken_back():
    assert proposed(numbers.remarks, Role.NUMBER, "0.08199999999999999", "0.5") == ["0.082"]


@pytest.mark.parametrize(
    ("text", "meant"), [("MÃ¼ller", "Müller"), ("Itâ€™s", "It’s"), ("a\u200bb  c ", "ab c"), ("A &amp; B", "A & B")]
)
def test_damaged_text_is_mended(text, meant):
    assert encoding.remark(text).value == meant


@pytest.mark.parametrize("text", ["Müller", "São Paulo", "Ânia", "Ξένια", "O’Brien & Sons"])
def test_whole_text_is_left_alone(text):
    assert encoding.remark(text) is None


def test_names_in_capitals_are_slips_only_where_most_are_not():
    assert proposed(names.person_remarks, Role.FAMILY_NAME, "Smith", "Lee", "O'BRIEN-MCKAY") == ["O'Brien-McKay"]
    assert not names.person_remarks(column(Role.FAMILY_NAME, "SMITH", "LEE", "KHAN"))


def test_swapped_names_are_found_by_their_use_in_the_table():
    given, family = ["Anna", "Omar", "Gwen"] * 10, ["Smith", "Khan", "Novak"] * 10
    frame = pd.DataFrame({"G": [*given, "Smith"], "F": [*family, "Anna"]}, dtype=object)
    found = detect(frame, {"G": Role.GIVEN_NAME, "F": Role.FAMILY_NAME})
    assert [(one.subjects, dict(one.proposal.changes)) for one in found] == [((30,), {"G": "Anna", "F": "Smith"})]


@pytest.mark.parametrize(("text", "meant"), [("htp://acme.com", "http://acme.com"), ("www,acme.com", "www.acme.com")])
def test_slips_in_web_addresses_are_mended(text, meant):
    assert proposed(urls.remarks, Role.WEBSITE, text) == [meant]


def test_check_digits_are_checked():
    assert identifiers.is_valid("DE89 3704 0044 0532 0130 00", Role.BANK_ACCOUNT)
    assert not identifiers.is_valid("DE88 3704 0044 0532 0130 00", Role.BANK_ACCOUNT)
    assert identifiers.is_valid("DE136695976", Role.TAX_ID)


def test_validity_leaves_blanks_and_placeholders_out():
    series = pd.Series(["a@b.org", "nonsense", "N/A", None, " "], index=[7, 3, 9, 1, 2])
    assert valid_mask(Role.EMAIL, series).tolist() == [True, False, False, False, False]
    assert filled_mask(series).tolist() == [True, True, False, False, False]
    assert valid_mask(Role.EMAIL, series).index.equals(series.index)


def test_one_rule_speaks_once_of_a_record():
    frame = pd.DataFrame({"P": ["call me"], "F": ["none here"]}, dtype=object)
    found = detect(frame, {"P": Role.PHONE, "F": Role.PHONE})
    assert [(one.proposal, len(one.evidence)) for one in found] == [(Flag(), 2)]


def test_a_rule_that_is_mostly_rejected_stops_and_says_so():
    frame = pd.DataFrame({"E": [f"p{at}@gm{'ia' if at % 3 == 0 else 'ai'}l.com" for at in range(90)]}, dtype=object)
    batch = Batch(frame, {"E": Role.EMAIL})
    detector = FormatDetector()
    found = [one for one in detector.detect(batch, RunContext()) if one.rule == "email-typo"]
    taught = detector.reweight([Label(one, is_defect=False) for one in found[:12]])
    assert not [one for one in taught.detect(batch, RunContext()) if one.rule == "email-typo"]
    assert taught.metrics()["stopped:email-typo"] == 1.0
    assert taught.rescore(found[:1]) == [0.0]


def test_acceptance_moves_scores_and_keeps_their_order():
    frame = pd.DataFrame({"E": ["a@gmial.com", "b@hotmail.co", "c@gmail.com"] * 3}, dtype=object)
    batch = Batch(frame, {"E": Role.EMAIL})
    detector = FormatDetector()
    found = [one for one in detector.detect(batch, RunContext()) if one.rule == "email-typo"]
    taught = detector.reweight([Label(found[0], is_defect=False), Label(found[1], is_defect=True)])
    before, after = [one.score for one in found], taught.rescore(found)
    assert max(after) < max(before)
    assert np.argsort(before, kind="stable").tolist() == np.argsort(after, kind="stable").tolist()


def test_of_equally_common_spellings_of_a_country_the_standard_name_is_proposed():
    assert (
        proposed(countries.country_remarks, Role.COUNTRY, "USA", "U.S.A.", "United States", "Spain", "Ireland")
        == ["United States"] * 2
    )


def test_a_name_that_is_turned_round_is_written_as_names_are_written_here():
    assert proposed(names.person_remarks, Role.NAME, "smith, jane", "Anna Lee", "Omar Diaz") == ["Jane Smith"]
    assert proposed(names.person_remarks, Role.NAME, "smith, jane", "anna lee", "omar diaz") == ["jane smith"]


def test_a_wrong_number_is_said_to_be_none_of_its_own_kind():
    found = identifiers.remarks(column(Role.BANK_ACCOUNT, "DE89370400440532013001", "9" * 99, key="US"))
    assert ["IBAN of DE" in found[0].detail, "known number of US" in found[1].detail] == [True, True]


def test_a_short_slip_of_a_provider_counts_where_the_provider_is_much_commoner():
    values = ("a@gmai.com", *(f"p{number}@gmail.com" for number in range(60)))
    assert proposed(emails.remarks, Role.EMAIL, *values) == ["a@gmail.com"]
    assert proposed(emails.remarks, Role.EMAIL, "a@gmai.com", "b@gmail.com") == []


def test_towns_in_capitals_are_written_as_the_column_writes_towns():
    towns = ["Mercer", "Oak Hill", "St. Louis", "Stratford upon Avon", "Denver", "Boston", "McAllen", "Lyon"]
    found = proposed(names.place_remarks, Role.CITY, *towns, "MERCER", "MCALLEN", "paris", "ISLE OF PALMS", "RIO")
    assert found == ["Mercer", "McAllen", "Paris", "Isle of Palms"]
    assert proposed(names.place_remarks, Role.CITY, "MERCER", "DENVER", "BOSTON", "Lyon") == []


def test_a_company_in_capitals_keeps_every_word_and_its_initials():
    usual = ["Bennett Media LLC - Austin", "Acme Holding Group", "Hall Supply LLC", "Oak Digital Ltd"]
    usual += [f"Oak Tools {number}" for number in range(20)]
    found = proposed(names.company_remarks, Role.COMPANY, *usual, "BENNETT MEDIA LLC - CHICAGO", "ABC ACME GROUP")
    assert found == ["Bennett Media LLC - Chicago", "ABC Acme Group"]
    assert proposed(names.company_remarks, Role.COMPANY, *usual, "OAK SUPPLY LTD") == ["Oak Supply Ltd"]


def test_a_legal_form_is_written_as_the_companies_of_its_country_write_it():
    names_of = [*(f"Casa {number} S.A." for number in range(9)), *(f"Maison {number} SA" for number in range(6))]
    frame = pd.DataFrame({"name": names_of, "country": ["Spain"] * 9 + ["France"] * 6}, dtype=object)
    assert detect(frame, {"name": Role.COMPANY, "country": Role.COUNTRY}) == []


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+493412130852 (home)", "DE", "+493412130852"),
        ("0341 2130852 privat", "DE", "+493412130852"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("1 800 FLOWERS", "US", "+18003569377"),
        ("+1 212 555 0123 ext. 12", "US", "+12125550123 ext. 12"),
    ],
)
def test_a_word_behind_a_number_is_not_dialled(text, region, number):
    assert phones.e164(phones.read(text, region)) == number
