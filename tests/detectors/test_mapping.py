"""What a column holds is read from its name and its cells."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from detectors.mapping import guess_kind, guess_roles
from detectors.mapping_names import read_name
from detectors.roles import Role

GIVEN = ["Anna", "James", "Mary", "Petra", "Carlos", "Julien", "Xaverina", "Linda", "Omar", "Zofia"]
FAMILY = ["Smith", "Garcia", "Nowak", "Müller", "Patel", "Rossi", "Dupont", "Quillfeather", "Brown", "Silva"]
CITIES = ["Berlin", "Paris", "Chicago", "Madrid", "Leeds", "Warsaw", "Mumbai", "Osaka", "Bristol", "Boise"]


@pytest.fixture
def people() -> pd.DataFrame:
    """Sixty people; only the cells are told by their names."""
    n = 60
    return pd.DataFrame(
        {
            "id": [f"C-{1000 + i}" for i in range(n)],
            "given_name": [GIVEN[i % 10] for i in range(n)],
            "family_name": [FAMILY[(i * 7 + i // 10) % 10] for i in range(n)],
            "email": [f"{GIVEN[i % 10].lower()}{i}@example.org" for i in range(n)],
            "phone": [f"({201 + i}) 555-{1000 + i}" for i in range(n)],
            "street": [f"{i + 3} {FAMILY[i % 10]} Street" for i in range(n)],
            "city": [CITIES[i % 10] for i in range(n)],
            "country": [["United States", "Germany", "France", "Poland"][i % 4] for i in range(n)],
            "date_of_birth": [f"{1940 + i}-0{1 + i % 9}-1{i % 9}" for i in range(n)],
            "website": [f"https://www.site{i}.com" for i in range(n)],
            "company": [f"{FAMILY[i % 10]}{i} {['Inc', 'GmbH', 'Ltd', 'Group'][i % 4]}" for i in range(n)],
            "gender": ["mf"[i % 2] for i in range(n)],
            "amount": [f"${i * 13 + 7}.50" for i in range(n)],
            "currency": [["USD", "EUR", "GBP"][i % 3] for i in range(n)],
            "postcode": [f"0{1000 + i // 2}" for i in range(n)],
            "national_id": [f"{100 + i}-{10 + i}-{2000 + i}" for i in range(n)],
        },
        dtype=str,
    )


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (Role.GIVEN_NAME, "FirstName first_name givenName fname Vorname prénom nombre given_name FIRST-NAME"),
        (Role.FAMILY_NAME, "LastName surname last_name Nachname apellidos lname familyName"),
        (
            Role.POSTCODE,
            "Zip zipcode PLZ postal_code postcode MailingPostalCode address1_postalcode cust_zip",
        ),
        (Role.DATE_OF_BIRTH, "dob birthdate date_of_birth BirthDate Geburtsdatum x_studio_birthday"),
        (Role.NATIONAL_ID, "soc_sec_id ssn"),
        (Role.HOUSE_NUMBER, "street_number houseNumber Hausnummer"),
        (Role.STREET, "address_1 Address1 mailing_street BillingStreet line1 Straße"),
        (Role.UNIT, "address_2 Address2 apt suite"),
        (Role.CITY, "suburb city BillingCity town Ort ville"),
        (Role.REGION, "state MailingState Bundesland province"),
        (Role.EMAIL, "Email e_mail E-mail EmailAddress emailaddress1 Custom_Email__c contact_email"),
        (Role.PHONE, "phone phone_number HomePhone telephone1 Mobile mobilephone hs_phone"),
        (Role.UPDATED_AT, "LastModifiedDate write_date hs_lastmodifieddate modifiedon"),
        (Role.CREATED_AT, "CreatedDate create_date createdon"),
        (Role.ACCOUNT_REF, "AccountId associatedcompanyid"),
        (Role.ID, "rec_id unique_id hs_object_id Id"),
    ],
)
def test_names_of_many_systems_and_languages_are_known(role, names):
    assert {name: hint.role for name in names.split() if (hint := read_name(name))} == dict.fromkeys(
        names.split(), role
    )


def test_a_misspelt_name_is_still_read_but_trusted_less():
    exact, near = read_name("first_name"), read_name("firts_name")
    assert exact is not None
    assert near is not None
    assert near.role is Role.GIVEN_NAME
    assert near.trust < exact.trust


@pytest.mark.parametrize("name", ["col1", "a", "field_7", "", "##", "列"])
def test_a_name_that_says_nothing_gives_no_hint(name):
    assert read_name(name) is None


def test_columns_without_telling_names_are_known_by_their_cells(people):
    unnamed = people.set_axis([f"field_{i}" for i in range(people.shape[1])], axis="columns")
    found = [guess.role.value for guess in guess_roles(unnamed).values()]
    assert found == list(people.columns)


def test_names_and_cells_together_give_more_confidence_than_cells_alone(people):
    named = guess_roles(people)
    unnamed = guess_roles(people.rename(columns={"email": "x", "city": "y"}))
    assert named["email"].confidence > unnamed["x"].confidence
    assert named["city"].confidence > unnamed["y"].confidence
    assert "e-mail addresses" in unnamed["x"].why


def test_cells_overrule_a_misleading_name(people):
    swapped = people.rename(columns={"email": "phone", "phone": "fax_notes", "date_of_birth": "email"})
    guesses = guess_roles(swapped)
    assert guesses["phone"].role is Role.EMAIL
    assert guesses["fax_notes"].role is Role.PHONE
    assert guesses["email"].role.value_type.value == "date"


def test_every_column_gets_a_role_and_only_empty_ones_are_ignored(people):
    frame = people.assign(nothing=None, blank="  ", rate=[str(i / 7) for i in range(len(people))], tier="gold")
    guesses = guess_roles(frame)
    assert list(guesses) == list(frame.columns)
    assert [name for name, guess in guesses.items() if guess.role is Role.IGNORE] == ["nothing", "blank"]
    assert guesses["rate"].role is Role.NUMBER
    assert guesses["tier"].role is Role.CATEGORY
    assert all(0 <= guess.confidence <= 1 and guess.why for guess in guesses.values())


def test_several_columns_may_be_phones_but_only_one_is_the_id(people):
    frame = people.assign(mobile=people["phone"].to_numpy()[::-1], index=[str(i) for i in range(len(people))])
    roles = [guess.role for guess in guess_roles(frame).values()]
    assert roles.count(Role.PHONE) == 2
    assert roles.count(Role.ID) == 1
    assert guess_roles(frame)["id"].role is Role.ID


def test_a_key_that_repeats_is_not_the_id():
    frame = pd.DataFrame({"id": ["1", "1", "2", "2"] * 20, "name": GIVEN * 8}, dtype=str)
    assert guess_roles(frame)["id"].role is not Role.ID


def test_a_measurement_that_never_repeats_is_not_taken_for_the_key():
    frame = pd.DataFrame({"x1": [str(i * i + 17 * (i % 7)) for i in range(80)], "x2": [str(i / 9) for i in range(80)]})
    assert [guess.role for guess in guess_roles(frame).values()] == [Role.NUMBER, Role.NUMBER]


@pytest.mark.parametrize("values", [[f"{i}" for i in range(50)], [f"K-{i * 37 % 1000:04}" for i in range(50)]])
def test_codes_that_count_up_or_carry_letters_are_the_key_where_no_name_says_so(values):
    frame = pd.DataFrame({"x": GIVEN * 5, "y": values}, dtype=str)
    assert guess_roles(frame)["y"].role is Role.ID


@pytest.mark.parametrize(
    ("kind", "name", "own_key"),
    [
        ("contacts", Role.NAME, "Contact ID"),
        ("accounts", Role.COMPANY, "Account ID"),
        ("opportunities", Role.TEXT, "Opportunity ID"),
    ],
)
def test_the_kind_settles_what_a_name_and_a_key_mean(kind, name, own_key):
    frame = pd.DataFrame(
        {key: [f"{i}" for i in range(40)] for key in ("Contact ID", "Account ID", "Opportunity ID")}
        | {"Name": [f"Renewal {i}" for i in range(40)]},
        dtype=str,
    )
    guesses = guess_roles(frame, kind=kind)
    assert guesses["Name"].role is name
    assert [column for column, guess in guesses.items() if guess.role is Role.ID] == [own_key]


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ("Contact ID|First Name|Last Name|Email|Account ID", "contacts"),
        ("given_name|surname|date_of_birth|postcode", "contacts"),
        ("Account ID|Account Name|Website|Industry|Billing City", "accounts"),
        ("Lead ID|First Name|Company|Lead Status", "leads"),
        ("Opportunity ID|Name|Stage|Amount|Probability|Close Date|Account ID", "opportunities"),
        ("Quote ID|Opportunity ID|Total|Valid Until", "quotations"),
        ("Order ID|Account ID|Order Date|Amount|Quantity", "orders"),
        ("Activity ID|Subject|Due Date|Contact ID", "activities"),
    ],
)
def test_the_kind_of_record_is_read_from_the_headers(columns, kind):
    found, confidence = guess_kind(pd.DataFrame(columns=columns.split("|")))
    assert found == kind
    assert confidence > 0.25


def test_an_empty_frame_gives_no_error():
    assert guess_roles(pd.DataFrame()) == {}
    assert guess_roles(pd.DataFrame(columns=["email"]))["email"].role is Role.IGNORE
    assert guess_kind(pd.DataFrame()) == ("contacts", 0.0)


def test_the_same_frame_gives_the_same_guesses_whatever_the_order_of_rows(people):
    assert {name: guess.role for name, guess in guess_roles(people).items()} == {
        name: guess.role for name, guess in guess_roles(people[::-1]).items()
    }


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def test_the_shared_linkage_files_are_mapped_right():
    frame = pd.read_csv(SHARED / "linkage" / "fake_1000.csv", dtype=str)
    roles = {name: guess.role for name, guess in guess_roles(frame.drop(columns="cluster")).items()}
    assert roles == {
        "unique_id": Role.ID,
        "first_name": Role.GIVEN_NAME,
        "surname": Role.FAMILY_NAME,
        "dob": Role.DATE_OF_BIRTH,
        "city": Role.CITY,
        "email": Role.EMAIL,
    }


def test_weights_are_no_companies():
    frame = pd.DataFrame(
        {"w": [f"{at} kg" for at in range(60)], "f": [f"Meier {at} KG" for at in range(60)]}, dtype=object
    )
    roles = {name: guess.role for name, guess in guess_roles(frame).items()}
    assert roles["w"] is not Role.COMPANY
    assert roles["f"] is Role.COMPANY
