"""One block of the sample: up to 20,000 contacts and all that belongs to them, clean, copied, spoiled, keyed.

A block depends on the seed and its own number only, so any size is made block by block in bounded memory, and
the first blocks of a large sample are the same whatever is asked for after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crmquality.sample import corruption, deals
from crmquality.sample.companies import companies
from crmquality.sample.corruption import Defect, Planted, plant
from crmquality.sample.people import AS_OF, people
from crmquality.sample.places import Integers, Strings, Table, strings
from crmquality.sample.vocabulary import LEAD_SOURCES, OWNERS

BLOCK = 20_000
"""Contacts in a block; about 150 MB at work."""

KINDS = ("accounts", "contacts", "leads", "opportunities", "quotations", "orders", "activities")
COPIES = {"contacts": 0.08, "accounts": 0.05}
"""Share of records that are a further record of an entity already there."""

_KEYS = {
    "accounts": ("Account ID", "A"),
    "contacts": ("Contact ID", "C"),
    "leads": ("Lead ID", "L"),
    "opportunities": ("Opportunity ID", "O"),
    "quotations": ("Quote ID", "Q"),
    "orders": ("Order ID", "S"),
    "activities": ("Activity ID", "T"),
}
_PER_CONTACT = {"contacts": 1.0, "accounts": 0.25, "leads": 0.2, "opportunities": 0.5, "quotations": 0.3, "orders": 0.2}


@dataclass(frozen=True, slots=True)
class Part:
    """One kind's rows of a block: the dirty table, whose entity each row is, and every defect in it."""

    kind: str
    table: Table
    keys: Strings
    entities: Strings
    planted: list[Planted]


def make_block(seed: int, number: int, contacts: int, model: str) -> Iterator[Part]:
    """All kinds of the block, in the order of KINDS; the same for the same arguments.

    number: which block, from 0; contacts: how many contacts it holds; model: "field" or "holdout".
    """
    random = np.random.default_rng([seed, number])
    count = {kind: max(1, round(contacts * _PER_CONTACT.get(kind, 0.5))) for kind in KINDS}
    keys = {kind: _keys(kind, number, count[kind]) for kind in KINDS}

    clean, countries, parents = companies(random, _entities(count["accounts"], "accounts"))
    rows = _with_copies(random, count["accounts"], "accounts")
    accounts = _keyed("accounts", keys["accounts"], _copied(clean, rows))
    accounts["Parent Account ID"] = _references(keys["accounts"], _first_rows(rows), parents[rows])
    accounts |= _history(random, count["accounts"])
    clean_accounts = {name: column.copy() for name, column in accounts.items()}
    yield _spoiled(random, "accounts", accounts, keys["accounts"], rows, number, model)

    domains = strings([website.removeprefix("www.") for website in clean["Website"]])
    persons, employers = people(
        random, _entities(count["contacts"], "contacts"), account_countries=countries, domains=domains
    )
    owners = _references(keys["accounts"], _first_rows(rows), employers)
    account_countries = countries[rows]
    rows = _with_copies(random, count["contacts"], "contacts")
    contacts_table = _keyed("contacts", keys["contacts"], _copied(persons, rows))
    contacts_table["Account ID"] = owners[rows]
    contacts_table |= _history(random, count["contacts"])
    contacts_table |= _marketing(random, count["contacts"])
    yield _spoiled(random, "contacts", contacts_table, keys["contacts"], rows, number, model)

    leads = _keyed("leads", keys["leads"], _leads(random, count["leads"], countries, domains, clean["Account Name"]))
    yield _spoiled(random, "leads", leads, keys["leads"], np.arange(count["leads"]), number, model)

    opportunities = deals.opportunities(
        random, clean_accounts, account_countries, contacts_table, count["opportunities"]
    )
    opportunities = _keyed("opportunities", keys["opportunities"], opportunities)
    quotations = _keyed("quotations", keys["quotations"], deals.quotations(random, opportunities, count["quotations"]))
    orders = _keyed("orders", keys["orders"], deals.orders(random, quotations, count["orders"]))
    activities = _keyed("activities", keys["activities"], deals.activities(random, contacts_table, count["activities"]))
    for kind, table in (
        ("opportunities", opportunities),
        ("quotations", quotations),
        ("orders", orders),
        ("activities", activities),
    ):
        yield _spoiled(random, kind, table, keys[kind], np.arange(len(keys[kind])), number, model)


# Keys and copies


def _keys(kind: str, number: int, count: int) -> Strings:
    """Keys go on from block to block as if every block before were full."""
    start = number * round(BLOCK * _PER_CONTACT.get(kind, 0.5))
    prefix = _KEYS[kind][1]
    return strings([f"{prefix}{start + i + 1:08d}" for i in range(count)])


def _keyed(kind: str, keys: Strings, table: Table) -> Table:
    return {_KEYS[kind][0]: keys[: len(next(iter(table.values())))], **table}


def _entities(records: int, kind: str) -> int:
    return max(1, records - round(records * COPIES[kind]))


def _with_copies(random: np.random.Generator, records: int, kind: str) -> Integers:
    """(records,) the entity of every row: each at least once, some again, in shuffled order."""
    entities = _entities(records, kind)
    again = random.integers(entities, size=records - entities)
    return random.permutation(np.concatenate([np.arange(entities), again]))


def _copied(table: Table, rows: Integers) -> Table:
    return {name: column[rows] for name, column in table.items()}


def _first_rows(rows: Integers) -> Integers:
    """(entities,) the first row of every entity."""
    return np.unique(rows, return_index=True)[1]


def _references(keys: Strings, first_rows: Integers, entities: Integers) -> Strings:
    """The key of each entity's first record; "" for entity -1."""
    return np.where(entities >= 0, keys[first_rows[np.maximum(entities, 0)]], "").astype(object)


# Columns of the record, not of the entity


def _history(random: np.random.Generator, count: int) -> Table:
    """When the record was made, changed and last verified: a fifth was never verified."""
    created = deals.days_ago(random, count, most=4000)
    age = (AS_OF - created).astype(int)
    modified = created + (age * random.beta(3, 1, size=count)).astype(int)
    verified = created + ((modified - created).astype(int) * random.random(count)).astype(int)
    known = random.random(count) < 0.8
    return {
        "Created Date": deals.text(created),
        "Last Modified Date": deals.text(modified),
        "Last Verified Date": np.where(known, deals.text(verified), "").astype(object),
    }


def _marketing(random: np.random.Generator, count: int) -> Table:
    return {
        "Lead Source": random.choice(strings(LEAD_SOURCES), size=count),
        "Email Opt Out": np.where(random.random(count) < 0.2, "true", "false").astype(object),
        "Contact Owner": random.choice(strings(OWNERS), size=count),
    }


def _leads(random: np.random.Generator, count: int, countries: Integers, domains: Strings, names: Strings) -> Table:
    """People of companies who are no contacts yet."""
    persons, employers = people(random, count, account_countries=countries, domains=domains)
    order = random.permutation(count)
    persons, employers = _copied(persons, order), employers[order]
    company = np.where(employers >= 0, names[np.maximum(employers, 0)], "").astype(object)
    taken = {
        "Mailing City": "City",
        "Mailing State": "State",
        "Mailing Postal Code": "Postal Code",
        "Mailing Country": "Country",
    }
    kept = ("First Name", "Last Name", "Email", "Phone", "Job Title")
    return {
        **{name: persons[name] for name in kept},
        "Company": company,
        **{new: persons[old] for old, new in taken.items()},
        "Lead Status": random.choice(strings(["New", "Working", "Qualified", "Unqualified"]), size=count),
        "Lead Source": random.choice(strings(LEAD_SOURCES), size=count),
        "Lead Owner": random.choice(strings(OWNERS), size=count),
        "Created Date": deals.text(deals.days_ago(random, count, most=700)),
    }


# Spoiling


def _defects(kind: str, model: str) -> list[Defect]:
    return {
        "accounts": corruption.account_defects,
        "contacts": corruption.contact_defects,
        "leads": corruption.lead_defects,
        "opportunities": deals.opportunity_defects,
        "quotations": deals.quotation_defects,
        "orders": deals.order_defects,
        "activities": deals.activity_defects,
    }[kind](model)


def _spoiled(
    random: np.random.Generator, kind: str, table: Table, keys: Strings, rows: Integers, number: int, model: str
) -> Part:
    """Variants for copies, then defects for all. Two tables share no cell: what refers to a key sees clean keys."""
    size = len(rows)
    planted: list[Planted] = []
    if kind in COPIES:
        variants = corruption.contact_variants(model) if kind == "contacts" else corruption.account_variants(model)
        planted = plant(table, variants, np.flatnonzero(_is_copy(rows)), random)
    planted += plant(table, _defects(kind, model), np.arange(size), random, spoiled=planted)
    entities = strings([f"{_KEYS[kind][1]}E{number * BLOCK + entity + 1:08d}" for entity in rows.tolist()])
    return Part(kind, table, keys[:size], entities, planted)


def _is_copy(rows: Integers) -> npt.NDArray[np.bool_]:
    copy = np.ones(len(rows), dtype=bool)
    copy[_first_rows(rows)] = False
    return copy
