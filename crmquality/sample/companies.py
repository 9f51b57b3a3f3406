"""Accounts: companies, and branches that share a name and a website but are places of their own."""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from crmquality.sample.places import Integers, Strings, Table, addresses, choose_countries, strings
from crmquality.sample.vocabulary import COMPANY_TRADES, COMPANY_WORDS, COUNTRIES, INDUSTRIES, OWNERS

BRANCHES = 0.15
"""Share of accounts that are a branch of another."""


def slug(text: str) -> str:
    """ASCII letters and digits in lower case, for domains and mail boxes: "Müller & Co" -> "muellerco"."""
    for letter, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("ł", "l"), ("&", "")):
        text = text.lower().replace(letter, plain)
    folded = unicodedata.normalize("NFKD", text)
    return re.sub(r"[^a-z0-9]", "", folded.encode("ascii", "ignore").decode())


def companies(random: np.random.Generator, count: int) -> tuple[Table, Integers, Integers]:
    """Clean accounts without keys, their countries, and the row of each one's parent (-1: none).

    Returns (table, positions in COUNTRIES (count,), parent rows (count,)).
    """
    countries = choose_countries(random, count)
    heads = max(1, round(count * (1 - BRANCHES)))
    parents = np.full(count, -1, dtype=np.int64)
    parents[heads:] = random.integers(heads, size=count - heads)
    countries[heads:] = countries[parents[heads:]]
    industries = random.choice(strings(INDUSTRIES), size=count)
    industries[heads:] = industries[parents[heads:]]
    place = addresses(random, countries)
    core, names = _names(random, countries, industries)
    core[heads:], names[heads:] = core[parents[heads:]], names[parents[heads:]]
    websites = [f"www.{slug(name)}.{COUNTRIES[at].domain}" for name, at in zip(core, countries, strict=True)]
    named_by_city = random.random(count) < 0.5
    for row in range(heads, count):
        if named_by_city[row]:
            names[row] = f"{names[row]} - {place['city'][row]}"
    size = random.lognormal(3.6, 1.4, size=count)
    revenue = size * random.lognormal(11.5, 0.5, size=count)
    table = {
        "Account Name": names,
        "Website": strings(websites),
        "Phone": place["landline"],
        "Industry": industries,
        "Employees": strings([str(int(x) + 1) for x in size]),
        "Annual Revenue": strings([f"{round(x, -3):.0f}" for x in revenue]),
        "Billing Street": place["street"],
        "Billing City": place["city"],
        "Billing State": place["region"],
        "Billing Postal Code": place["postcode"],
        "Billing Country": place["country"],
        "Account Owner": random.choice(strings(OWNERS), size=count),
    }
    return table, countries, parents


def _names(random: np.random.Generator, countries: Integers, industries: Strings) -> tuple[Strings, Strings]:
    """Names without and with legal form: "Blue River Software" and "Mercier & Faure Transport SARL" alike."""
    core, full = [], []
    styles, picks = random.random(len(countries)), random.integers(1 << 30, size=(len(countries), 4))
    for at, industry, style, (a, b, c, d) in zip(countries, industries, styles, picks.tolist(), strict=True):
        country, trades = COUNTRIES[at], COMPANY_TRADES[industry]
        trade, family = trades[b % len(trades)], country.family[c % len(country.family)]
        if style < 0.55:
            name = f"{COMPANY_WORDS[a % len(COMPANY_WORDS)]} {trade}"
        elif style < 0.8:
            name = f"{family} {trade}"
        else:
            name = f"{family} & {country.family[a % len(country.family)]} {trade}"
        core.append(name)
        full.append(f"{name} {country.legal_forms[d % len(country.legal_forms)]}")
    return strings(core), strings(full)
