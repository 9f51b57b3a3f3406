"""The corruption model: which defects are planted where, how often, and how they are written down.

Two models. "field" is for development and for the demo: slips of the fingers, formats, blanks, swaps, stale
addresses. "holdout" differs in kinds (misread, misheard, cut off, transliterated, titles in names, words in phone
numbers, two-digit years) and in rates, so that what was tuned or calibrated on the one can be tested on the other.

A defect strikes a row with its rate, at random and independently, but a cell at most once, so that the truth of a
dirty cell is always its clean value. Rates are of rows; a defect that does not fit a row (no accent to lose) leaves
it as it is, so real shares are a little lower. A second record of an entity is a copy of its clean values to which
first the variants and then the defects are applied. Names of variants start with "variant": these cells differ from
the entity's but are not wrong (a nickname, another mailbox, nothing known), and nobody is asked to correct them.

After Christen, "Data Matching", Springer 2012, ch. 7.6, and his generator of FEBRL: typing, reading and hearing errors,
missing values, swapped fields and household duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

import numpy as np

from crmquality.sample import spoiling as spoil
from crmquality.sample.places import Integers, Table

Values = list[str]
CellSpoiler = Callable[[str, Random], str | None]
RowSpoiler = Callable[[Values, Values, Random], Values | None]

MODELS = ("field", "holdout")


@dataclass(frozen=True, slots=True)
class Defect:
    """One kind of defect.

    name: its class in the truth file. fields: the columns it touches. rate: share of rows it strikes.
    spoil: (the row's values, another row's values, random) -> the dirty values; None if it does not fit.
    """

    name: str
    fields: tuple[str, ...]
    rate: float
    spoil: RowSpoiler


@dataclass(frozen=True, slots=True)
class Planted:
    """One dirty cell: where, what kind, and both values."""

    row: int
    field: str
    defect: str
    dirty: str
    clean: str


def plant(
    table: Table,
    defects: Iterable[Defect],
    rows: Integers,
    random: np.random.Generator,
    *,
    spoiled: Iterable[Planted] = (),
) -> list[Planted]:
    """Spoil cells of the table in place, in these rows only; returns what was done.

    No cell is spoiled twice, nor one in `spoiled`, which was done before.
    """
    chance = Random(int(random.integers(1 << 62)))  # noqa: S311 - no secret, and quicker a letter than numpy
    touched = {(done.row, done.field) for done in spoiled}
    planted: list[Planted] = []
    size = len(next(iter(table.values())))
    for defect in defects:
        struck = rows[random.random(len(rows)) < defect.rate]
        others = random.integers(size, size=len(struck))
        for row, other in zip(struck.tolist(), others.tolist(), strict=True):
            if any((row, field) in touched for field in defect.fields):
                continue
            clean = [table[field][row] for field in defect.fields]
            dirty = defect.spoil(clean, [table[field][other] for field in defect.fields], chance)
            if dirty is None or dirty == clean:
                continue
            for field, old, new in zip(defect.fields, clean, dirty, strict=True):
                touched.add((row, field))
                table[field][row] = new
                if old != new:
                    planted.append(Planted(row, field, defect.name, new, old))
    return planted


# Ways to spoil a row


def cell(spoiler: CellSpoiler) -> RowSpoiler:
    """Spoil the first field by itself."""

    def spoil_row(values: Values, other: Values, random: Random) -> Values | None:
        dirty = spoiler(values[0], random) if values[0] else None
        return None if dirty is None else [dirty, *values[1:]]

    return spoil_row


def swapped(values: Values, other: Values, random: Random) -> Values | None:
    """Two fields exchanged."""
    return [values[1], values[0]] if values[0] and values[1] else None


def taken_from_other(values: Values, other: Values, random: Random) -> Values | None:
    """Another record's values, such as a former address; the last field (the country) has to agree."""
    return other if all(other) and other[-1] == values[-1] else None


def wrong_region(values: Values, other: Values, random: Random) -> Values | None:
    """Another region of the same country; fields: region, country."""
    return other if values[0] and other[0] and other[1] == values[1] else None


def in_wrong_field(values: Values, other: Values, random: Random) -> Values | None:
    """The second field's value stands in the first, the second is empty."""
    return [values[1], ""] if values[1] and not values[0] else None


def private_mail(values: Values, other: Values, random: Random) -> Values | None:
    """Another mailbox of the same person; fields: e-mail, given name, family name."""
    if not all(values):
        return None
    given, family = (spoil.without_accents(x, random).lower().replace(" ", "").replace("'", "") for x in values[1:])
    box = random.choice([f"{given}.{family}", f"{given}{random.randrange(100)}", f"{given[0]}{family}"])
    return [f"{box}@{random.choice(['gmail.com', 'yahoo.com', 'outlook.com'])}", *values[1:]]


def before(values: Values, other: Values, random: Random) -> Values | None:
    """The first date a year and more before the second, which it cannot be; fields: later date, earlier date."""
    return [f"{int(values[1][:4]) - random.randrange(1, 3)}{values[1][4:8]}28", values[1]] if all(values) else None


# The models


def _each(name: str, fields: str, rate: float, spoiler: CellSpoiler) -> list[Defect]:
    return [Defect(name, (field,), rate, cell(spoiler)) for field in fields.split("|")]


_MAILING = tuple(f"Mailing {part}" for part in ("Street", "City", "State", "Postal Code", "Country"))
_BILLING = tuple(f"Billing {part}" for part in ("Street", "City", "State", "Postal Code", "Country"))


def contact_variants(model: str) -> list[Defect]:
    """How a second record of one person differs; rates are of the copies."""
    first = [
        *_each("variant-nickname", "First Name", 0.45 if model == "field" else 0.25, spoil.nickname),
        *_each("variant-initial", "First Name", 0.05 if model == "field" else 0.15, spoil.initial),
        *_each("variant-street-short", "Mailing Street", 0.4, spoil.street_short),
        Defect("variant-mail", ("Email", "First Name", "Last Name"), 0.35, private_mail),
        Defect("stale-address", _MAILING, 0.08, taken_from_other),
    ]
    unknown = {"Email": 0.1, "Phone": 0.2, "Mobile": 0.35, "Job Title": 0.35, "Birthdate": 0.3, "Mailing Street": 0.08}
    more = [defect for field, rate in unknown.items() for defect in _each("variant-unknown", field, rate, spoil.blank)]
    if model == "field":
        return [
            *first,
            *_each("variant-accents", "First Name|Last Name|Mailing City", 0.3, spoil.without_accents),
            *_each("typo", "First Name|Last Name", 0.09, spoil.typo),
            *_each("typo", "Mailing Street|Mailing City", 0.06, spoil.typo),
            *_each("date-typo", "Birthdate", 0.05, spoil.digits_exchanged),
            *more,
        ]
    return [
        *first,
        *_each("variant-accents", "First Name|Last Name|Mailing City", 0.4, spoil.transliterated),
        *_each("misheard", "First Name|Last Name", 0.14, spoil.heard_wrong),
        *_each("misread", "Last Name|Mailing Street", 0.1, spoil.seen_wrong),
        *_each("cut-off", "Mailing Street", 0.08, spoil.cut),
        *more,
    ]


def contact_defects(model: str) -> list[Defect]:
    """What goes wrong in any contact."""
    return _place_defects("Mailing", _MAILING, model) + (_contact_field() if model == "field" else _contact_holdout())


def _contact_field() -> list[Defect]:
    return [
        *_each("typo", "First Name|Last Name", 0.006, spoil.typo),
        *_each("upper-case", "First Name|Last Name", 0.008, spoil.upper),
        *_each("lower-case", "First Name|Last Name", 0.006, spoil.lower),
        *_each("spaces", "First Name|Last Name|Email", 0.006, spoil.spaced),
        *_each("mojibake", "First Name|Last Name", 0.02, spoil.mojibake),
        *_each("placeholder", "First Name|Last Name|Job Title", 0.002, spoil.placeholder),
        Defect("swap-names", ("First Name", "Last Name"), 0.005, swapped),
        Defect("wrong-field", ("Mobile", "Phone"), 0.01, in_wrong_field),
        *_each("mail-provider-typo", "Email", 0.03, spoil.mail_provider_typo),
        *_each("mail-broken", "Email", 0.012, spoil.mail_broken),
        *_each("phone-format", "Phone|Mobile", 0.03, spoil.phone_style),
        *_each("phone-length", "Phone|Mobile", 0.006, spoil.phone_wrong_length),
        *_each("phone-placeholder", "Phone", 0.004, spoil.phone_placeholder),
        *_each("date-format", "Birthdate", 0.05, spoil.date_style),
        *_each("date-impossible", "Birthdate", 0.005, spoil.date_impossible),
        *_each("blank", "Email", 0.02, spoil.blank),
        *_each("blank", "Last Name", 0.003, spoil.blank),
        *_each("blank", "Salutation", 0.03, spoil.blank),
        Defect("date-order", ("Last Modified Date", "Created Date"), 0.003, before),
    ]


def _contact_holdout() -> list[Defect]:
    return [
        *_each("misheard", "First Name|Last Name", 0.01, spoil.heard_wrong),
        *_each("misread", "First Name|Last Name|Email", 0.008, spoil.seen_wrong),
        *_each("upper-case", "Last Name", 0.02, spoil.upper),
        *_each("title-in-name", "First Name", 0.01, spoil.titled),
        *_each("cut-off", "Last Name|Job Title|Email", 0.006, spoil.cut),
        *_each("mail-provider-typo", "Email", 0.015, spoil.mail_provider_typo),
        *_each("mail-broken", "Email", 0.02, spoil.mail_broken),
        *_each("mail-of-a-role", "Email", 0.01, spoil.mail_of_a_role),
        *_each("phone-words", "Phone|Mobile", 0.02, spoil.phone_with_words),
        *_each("phone-format", "Phone|Mobile", 0.015, spoil.phone_style),
        *_each("phone-length", "Phone|Mobile", 0.012, spoil.phone_wrong_length),
        *_each("date-format", "Birthdate", 0.03, spoil.short_year),
        *_each("date-impossible", "Birthdate", 0.01, spoil.date_impossible),
        *_each("blank", "Email", 0.04, spoil.blank),
        *_each("blank", "Salutation", 0.02, spoil.blank),
        Defect("swap-names", ("First Name", "Last Name"), 0.01, swapped),
        Defect("date-order", ("Last Modified Date", "Created Date"), 0.006, before),
    ]


def account_variants(model: str) -> list[Defect]:
    """How a second record of one company differs; rates are of the copies."""
    slip = spoil.typo if model == "field" else spoil.heard_wrong
    return [
        *_each("variant-legal-form", "Account Name", 0.5, _without_last_word),
        *_each("variant-upper-case", "Account Name", 0.1, spoil.upper),
        *_each("typo" if model == "field" else "misheard", "Account Name", 0.3, slip),
        *_each("variant-street-short", "Billing Street", 0.4, spoil.street_short),
        *_each("variant-unknown", "Website|Phone", 0.3, spoil.blank),
        *_each("variant-unknown", "Employees|Annual Revenue", 0.4, spoil.blank),
    ]


def account_defects(model: str) -> list[Defect]:
    """What goes wrong in any account."""
    rate = 1.0 if model == "field" else 1.6
    return [
        *_place_defects("Billing", _BILLING, model),
        *_each("phone-format", "Phone", 0.03 * rate, spoil.phone_style),
        *_each("phone-length", "Phone", 0.006 * rate, spoil.phone_wrong_length),
        *_each("blank", "Industry", 0.03 * rate, spoil.blank),
        *_each("blank", "Website", 0.02 * rate, spoil.blank),
        *_each("spaces", "Account Name", 0.01 * rate, spoil.spaced),
        *_each("odd-revenue", "Annual Revenue", 0.004 * rate, spoil.times(1000.0 if model == "field" else 0.001)),
    ]


def lead_defects(model: str) -> list[Defect]:
    """What goes wrong in any lead: few fields, typed in haste."""
    slip, name = (spoil.typo, "typo") if model == "field" else (spoil.heard_wrong, "misheard")
    return [
        *_each(name, "First Name|Last Name|City", 0.01, slip),
        *_each("lower-case", "First Name|Last Name", 0.015, spoil.lower),
        *_each("mail-provider-typo", "Email", 0.03, spoil.mail_provider_typo),
        *_each("mail-broken", "Email", 0.015, spoil.mail_broken),
        *_each("phone-format", "Phone", 0.04, spoil.phone_style),
        *_each("country-format", "Country", 0.03, spoil.country_variant),
        *_each("postcode-zero-lost", "Postal Code", 0.15, spoil.leading_zero_lost),
        *_each("blank", "Email|Country|State", 0.03, spoil.blank),
        *_each("placeholder", "First Name|Company", 0.006, spoil.placeholder),
    ]


def _place_defects(prefix: str, fields: tuple[str, ...], model: str) -> list[Defect]:
    street, city, state, postcode, country = fields
    slip, name = (spoil.typo, "typo") if model == "field" else (spoil.seen_wrong, "misread")
    rate = 1.0 if model == "field" else 0.7
    return [
        Defect("stale-address", fields, 0.008 * rate, taken_from_other),
        Defect("wrong-region", (state, country), 0.006 * rate, wrong_region),
        Defect("swap-city-region", (city, state), 0.003 * rate, swapped),
        *_each(f"city-{name}", city, 0.012 * rate, slip),
        *_each(f"street-{name}", street, 0.008 * rate, slip),
        *_each("region-format", state, 0.02 * rate, spoil.state_in_full),
        *_each("postcode-digits", postcode, 0.006 * rate, spoil.digits_exchanged),
        *_each("postcode-zero-lost", postcode, 0.15 * rate, spoil.leading_zero_lost),
        *_each("country-format", country, 0.025 * rate, spoil.country_variant),
        *_each("upper-case", city, 0.008 * rate, spoil.upper),
        *_each("blank", f"{city}|{state}|{country}", 0.012 * rate, spoil.blank),
        *_each("blank", postcode, 0.008 * rate, spoil.blank),
    ]


def _without_last_word(value: str, random: Random) -> str | None:
    head, _, tail = value.rpartition(" ")
    return (
        head if head and (tail.endswith(".") or tail.isupper() or tail in {"Ltd", "GmbH", "Ltda", "Limited"}) else None
    )
