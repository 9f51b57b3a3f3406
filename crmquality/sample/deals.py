"""Opportunities, quotations, orders, activities and leads, with amounts, durations and stages that hang together."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from crmquality.sample import spoiling as spoil
from crmquality.sample.corruption import Defect, Values, before, cell
from crmquality.sample.people import AS_OF
from crmquality.sample.places import Integers, Strings, Table, strings
from crmquality.sample.vocabulary import COUNTRIES, LEAD_SOURCES, OWNERS

STAGES = ("Prospecting", "Qualification", "Proposal", "Negotiation", "Closed Won", "Closed Lost")
PROBABILITIES = ("10", "25", "50", "75", "100", "0")
LOSS_REASONS = ("Price", "Competitor", "No budget", "No decision", "Missing feature")
PRODUCTS = ("Starter Plan", "Team Plan", "Enterprise Plan", "Support Contract", "Training", "Migration", "Hardware")
WORTH = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8, "BRL": 5.0, "INR": 80.0, "JPY": 150.0, "PLN": 4.0}
"""Rough units of a currency to the dollar, so that amounts are of the size usual there."""

_HISTORY_MARK = " > "
Days = npt.NDArray[np.datetime64]


def days_ago(random: np.random.Generator, count: int, *, most: int) -> Days:
    """Days before the sample's today, at most this many."""
    return np.asarray(AS_OF - random.integers(1, most, size=count), dtype="datetime64[D]")


def text(days: npt.NDArray[Any]) -> Strings:
    """ISO dates of (n,) datetime64 days."""
    return days.astype(str).astype(object)


def opportunities(
    random: np.random.Generator, accounts: Table, countries: Integers, contacts: Table, count: int
) -> Table:
    """Clean deals: the larger the account, the larger the amount; the larger the amount, the longer it takes.

    accounts, contacts: tables with their ID columns; countries: (accounts,) positions in COUNTRIES.
    """
    owner = random.integers(len(accounts["Account ID"]), size=count)
    contact = random.integers(len(contacts["Contact ID"]), size=count)
    currencies = strings([COUNTRIES[at].currency for at in countries[owner]])
    size = np.array([float(x) for x in accounts["Employees"][owner]])
    dollars = 900 * size**0.6 * random.lognormal(0.0, 0.55, size=count)
    amount = dollars * np.array([WORTH[x] for x in currencies])
    length = (random.gamma(4.0, 4.0 + 3.0 * np.log1p(dollars / 1000), size=count) + 3).astype(int)
    created = days_ago(random, count, most=1600)
    stage = np.where(
        created + length <= AS_OF, random.choice([4, 5], size=count, p=[0.4, 0.6]), random.integers(4, size=count)
    )
    reached = np.where(stage == 5, random.integers(1, 5, size=count), np.minimum(stage, 4))
    products = random.choice(strings(PRODUCTS), size=count)
    lost = stage == 5
    return {
        "Opportunity Name": strings(
            [f"{a} - {p}" for a, p in zip(accounts["Account Name"][owner], products, strict=True)]
        ),
        "Account ID": accounts["Account ID"][owner],
        "Contact ID": contacts["Contact ID"][contact],
        "Stage": strings(STAGES)[stage],
        "Stage History": strings([_history(s, r) for s, r in zip(stage.tolist(), reached.tolist(), strict=True)]),
        "Amount": _money(amount),
        "Currency": currencies,
        "Probability": strings(PROBABILITIES)[stage],
        "Loss Reason": np.where(lost, random.choice(strings(LOSS_REASONS), size=count), "").astype(object),
        "Created Date": text(created),
        "Close Date": text(created + length),
        "Lead Source": random.choice(strings(LEAD_SOURCES), size=count),
        "Opportunity Owner": random.choice(strings(OWNERS), size=count),
    }


def _history(stage: int, reached: int) -> str:
    """The stages passed, in order, then the present one."""
    return _HISTORY_MARK.join([*STAGES[: min(reached, stage)], STAGES[stage]])


def _money(amounts: npt.NDArray[np.float64]) -> Strings:
    return strings([f"{amount:.2f}" for amount in amounts])


def quotations(random: np.random.Generator, deals: Table, count: int) -> Table:
    """Clean quotations of the first deals: total = subtotal less discount plus 10 % tax."""
    rows = random.permutation(len(deals["Opportunity ID"]))[:count]
    subtotal = np.round([float(x) for x in deals["Amount"][rows]], 2)
    discount = random.choice([0, 0, 0, 5, 10, 15, 20], size=len(rows))
    start = deals["Created Date"][rows].astype("datetime64[D]") + random.integers(2, 15, size=len(rows))
    total = subtotal * (1 - discount / 100) * 1.1
    return {
        "Opportunity ID": deals["Opportunity ID"][rows],
        "Account ID": deals["Account ID"][rows],
        "Contact ID": deals["Contact ID"][rows],
        "Quote Status": random.choice(strings(["Draft", "Sent", "Accepted", "Rejected", "Expired"]), size=len(rows)),
        "Quote Date": text(start),
        "Valid Until": text(start + random.choice([14, 30, 30, 60], size=len(rows))),
        "Subtotal": _money(subtotal),
        "Discount Percent": strings([str(x) for x in discount.tolist()]),
        "Tax": _money(subtotal * (1 - discount / 100) * 0.1),
        "Total": _money(total),
        "Currency": deals["Currency"][rows],
    }


def orders(random: np.random.Generator, quotes: Table, count: int) -> Table:
    """Clean orders of the first quotations: total = quantity times unit price."""
    rows = random.permutation(len(quotes["Quote ID"]))[:count]
    quantity = random.geometric(0.12, size=len(rows))
    price = np.round(np.array([float(x) for x in quotes["Total"][rows]]) / quantity, 2)
    start = quotes["Quote Date"][rows].astype("datetime64[D]") + random.integers(3, 25, size=len(rows))
    return {
        "Quote ID": quotes["Quote ID"][rows],
        "Account ID": quotes["Account ID"][rows],
        "Contact ID": quotes["Contact ID"][rows],
        "Order Date": text(start),
        "Delivery Date": text(start + random.integers(1, 30, size=len(rows))),
        "Product": random.choice(strings(PRODUCTS), size=len(rows)),
        "Quantity": strings([str(x) for x in quantity.tolist()]),
        "Unit Price": _money(price),
        "Total": _money(price * quantity),
        "Currency": quotes["Currency"][rows],
        "Order Status": random.choice(
            strings(["New", "Shipped", "Delivered", "Delivered", "Cancelled"]), size=len(rows)
        ),
    }


def activities(random: np.random.Generator, contacts: Table, count: int) -> Table:
    """Calls, mails, meetings and tasks with contacts."""
    rows = random.integers(len(contacts["Contact ID"]), size=count)
    kinds = random.choice(strings(["Call", "Call", "Email", "Meeting", "Task"]), size=count)
    about = random.choice(strings(["follow-up", "demo", "renewal", "complaint", "introduction", "pricing"]), size=count)
    created = days_ago(random, count, most=900)
    due = created + random.integers(0, 30, size=count)
    return {
        "Activity Type": kinds,
        "Subject": strings([f"{kind}: {topic}" for kind, topic in zip(kinds, about, strict=True)]),
        "Contact ID": contacts["Contact ID"][rows],
        "Account ID": contacts["Account ID"][rows],
        "Due Date": text(due),
        "Activity Status": np.where(due < AS_OF, "Completed", "Open").astype(object),
        "Assigned To": random.choice(strings(OWNERS), size=count),
        "Created Date": text(created),
    }


# What goes wrong


def opportunity_defects(model: str) -> list[Defect]:
    """Odd amounts, durations, currencies, stages; holdout: other factors, other slips, other rates."""
    if model == "field":
        return [
            Defect("odd-amount", ("Amount",), 0.006, cell(spoil.times(100))),
            Defect("odd-amount", ("Amount",), 0.004, cell(spoil.times(0.01))),
            Defect("odd-duration", ("Close Date", "Created Date"), 0.005, before),
            Defect("odd-duration", ("Close Date",), 0.004, cell(_years_later)),
            Defect("odd-currency", ("Currency",), 0.008, cell(_other_currency)),
            Defect("skipped-stage", ("Stage History",), 0.015, cell(_stage_left_out)),
            Defect("odd-probability", ("Probability", "Stage"), 0.01, _probability_of_other_stage),
            Defect("odd-reason", ("Loss Reason", "Stage"), 0.01, _reason_for_a_win),
            Defect("blank", ("Loss Reason",), 0.04, cell(spoil.blank)),
            Defect("blank", ("Amount",), 0.01, cell(spoil.blank)),
        ]
    return [
        Defect("odd-amount", ("Amount",), 0.008, cell(spoil.times(10))),
        Defect("odd-amount", ("Amount",), 0.003, cell(spoil.times(-1))),
        Defect("odd-duration", ("Close Date",), 0.008, cell(_years_later)),
        Defect("odd-currency", ("Currency",), 0.004, cell(_other_currency)),
        Defect("skipped-stage", ("Stage History",), 0.008, cell(_stages_exchanged)),
        Defect("odd-probability", ("Probability",), 0.006, cell(spoil.times(10))),
        Defect("blank", ("Loss Reason",), 0.08, cell(spoil.blank)),
        Defect("blank", ("Currency",), 0.01, cell(spoil.blank)),
    ]


def quotation_defects(model: str) -> list[Defect]:
    """Sums that do not add up, validity that ends before it begins, discounts nobody gives."""
    rate = 1.0 if model == "field" else 1.5
    return [
        Defect("odd-total", ("Total",), 0.008 * rate, cell(spoil.times(1.25 if model == "field" else 0.9))),
        Defect("odd-duration", ("Valid Until", "Quote Date"), 0.006 * rate, before),
        Defect("odd-discount", ("Discount Percent",), 0.006 * rate, cell(_wild_discount)),
        Defect("odd-currency", ("Currency",), 0.006 * rate, cell(_other_currency)),
        Defect("blank", ("Total",), 0.008 * rate, cell(spoil.blank)),
    ]


def order_defects(model: str) -> list[Defect]:
    """Quantities and totals that do not agree, goods delivered before they were ordered."""
    rate = 1.0 if model == "field" else 1.5
    return [
        Defect("odd-quantity", ("Quantity",), 0.008 * rate, cell(spoil.times(100 if model == "field" else 11))),
        Defect("odd-total", ("Total",), 0.008 * rate, cell(spoil.times(10 if model == "field" else 0.1))),
        Defect("odd-duration", ("Delivery Date", "Order Date"), 0.008 * rate, before),
        Defect("odd-currency", ("Currency",), 0.006 * rate, cell(_other_currency)),
        Defect("blank", ("Order Status",), 0.01 * rate, cell(spoil.blank)),
    ]


def activity_defects(model: str) -> list[Defect]:
    """Due years off, nothing said."""
    rate = 1.0 if model == "field" else 1.5
    return [
        Defect("odd-duration", ("Due Date",), 0.006 * rate, cell(_years_later)),
        Defect("blank", ("Subject",), 0.02 * rate, cell(spoil.blank)),
    ]


def _years_later(value: str, random: Random) -> str | None:
    return f"{int(value[:4]) + random.randrange(6, 12)}{value[4:8]}28" if value else None


def _other_currency(value: str, random: Random) -> str | None:
    return random.choice([currency for currency in WORTH if currency != value])


def _stage_left_out(value: str, random: Random) -> str | None:
    """A won deal that was never proposed, or never qualified."""
    stages = value.split(_HISTORY_MARK)
    if len(stages) < 4:
        return None
    del stages[random.randrange(1, len(stages) - 1)]
    return _HISTORY_MARK.join(stages)


def _stages_exchanged(value: str, random: Random) -> str | None:
    stages = value.split(_HISTORY_MARK)
    if len(stages) < 4:
        return None
    stages[1], stages[2] = stages[2], stages[1]
    return _HISTORY_MARK.join(stages)


def _probability_of_other_stage(values: Values, other: Values, random: Random) -> Values | None:
    wrong = {"Closed Won": "10", "Closed Lost": "90", "Prospecting": "95"}
    return [wrong[values[1]], values[1]] if values[1] in wrong else None


def _reason_for_a_win(values: Values, other: Values, random: Random) -> Values | None:
    return [random.choice(LOSS_REASONS), values[1]] if values[1] == "Closed Won" else None


def _wild_discount(value: str, random: Random) -> str | None:
    return random.choice(["65", "80", "95", "-10"])
