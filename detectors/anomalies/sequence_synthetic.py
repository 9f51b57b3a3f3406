"""A synthetic stream of process rows, opportunity -> quotation -> order, with planted sequence anomalies.

How a stream is made, customer after customer, each customer's deals one after another in time:

- A customer has a currency (of four, unevenly common), a price level (lognormal, sigma 0.8) and a pace.
- A deal is an opportunity, one or two quotations, then an order (70 %) or a cancellation with a reason. Its
amount is
  the customer's level with a noise of 25 %; a quotation keeps it within 3 %, an order within 1 %.
- Interest is about 0.3 at the opportunity and grows by stage; the days since the row before are gamma
  distributed about the stage's mean times the customer's pace; the quantity follows the amount.

Planted, each in about `share` / 5 of the deals, never two in one deal; the rows that show it are labelled:

- skipped stage: an order follows the opportunity; no quotation. The order is labelled.
- order swap: the order is dated before its quotation. Both rows are labelled.
- stalled deal: the row after the opportunity comes 6 to 12 times later than usual. That row.
- currency jump: one row is in another currency. That row.
- price creep: from one deal on, each of the customer's amounts is 4 % above the last. From the fifth row on.

Every value that occurs in an anomaly is common elsewhere in the stream, except the long wait of a stalled
deal: what is odd is where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEATURES = ("stage", "amount", "interest", "currency", "reason", "days", "quantity")
KINDS = ("skipped stage", "order swap", "stalled deal", "currency jump", "price creep")
STAGES = ("opportunity", "quotation", "order", "cancelled")
CURRENCIES = ("EUR", "USD", "GBP", "CHF")
REASONS = ("", "price", "timing", "competitor")

_DAYS = (10.0, 6.0, 4.0, 8.0)
_CREEP = 1.04
_CREEP_ROWS = 25


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of process rows, ordered by customer and time.

    values: (n, 7), columns as FEATURES; categories as codes into STAGES, CURRENCIES and REASONS.
    customer: (n,) number of the row's customer, rising. when: (n,) days since the start, rising per customer.
    kind: (n,) position in KINDS of the planted anomaly the row shows, -1 for none.
    """

    values: Floats
    customer: Ints
    when: Floats
    kind: Ints

    def frame(self) -> pd.DataFrame:
        """The rows as a CRM would export them: text cells, with customer, date and category names."""
        stage, amount, interest, currency, reason, _, quantity = self.values.T
        dates = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.round(self.when * 86_400), unit="s")
        return pd.DataFrame(
            {
                "Account": [f"A{number}" for number in self.customer],
                "Created": dates.strftime("%Y-%m-%dT%H:%M:%S"),
                "Stage": np.array(STAGES, dtype=object)[stage.astype(int)],
                "Amount": [f"{value:.2f}" for value in amount],
                "Probability": [f"{value:.3f}" for value in interest],
                "Currency": np.array(CURRENCIES, dtype=object)[currency.astype(int)],
                "Reason": np.array((None, *REASONS[1:]), dtype=object)[reason.astype(int)],
                "Quantity": [str(int(value)) for value in quantity],
            },
            dtype=object,
        )


def process_stream(rows: int, *, seed: int = 0, share: float = 0.02, deals_each: int = 20) -> Stream:
    """A stream of exactly `rows` rows.

    share: of the deals that carry an anomaly; 0 for a clean stream.
    deals_each: deals a customer has, about.
    """
    rng = np.random.default_rng(seed)
    parts: list[_Customer] = []
    made = 0
    while made < rows:
        parts.append(_customer(rng, deals=int(rng.integers(deals_each // 2, deals_each * 3 // 2 + 1)), share=share))
        made += len(parts[-1].kind)
    sizes = [len(part.kind) for part in parts]
    return Stream(
        values=np.concatenate([part.values for part in parts])[:rows],
        customer=np.repeat(np.arange(len(parts)), sizes)[:rows],
        when=np.concatenate([np.cumsum(part.values[:, 5]) for part in parts])[:rows],
        kind=np.concatenate([part.kind for part in parts])[:rows],
    )


@dataclass(frozen=True, slots=True)
class _Customer:
    values: Floats
    kind: Ints


def _customer(rng: np.random.Generator, *, deals: int, share: float) -> _Customer:
    """One customer's rows in time order."""
    level, pace = float(rng.lognormal(8, 0.8)), float(rng.lognormal(0, 0.3))
    currency = int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))
    rows: list[list[float]] = []
    kinds: list[int] = []
    creeping = 0
    for _ in range(deals):
        planted = int(rng.integers(len(KINDS))) if rng.random() < share else -1
        stages = _stages(rng, planted)
        amount = level * float(np.exp(rng.normal(0, 0.25)))
        for place, stage in enumerate(stages):
            if planted == KINDS.index("price creep") and place == 0:
                creeping = creeping or 1
            creep = _CREEP ** min(creeping, _CREEP_ROWS)
            rows.append(_row(rng, stage, amount * creep, currency, pace))
            kinds.append(KINDS.index("price creep") if 5 <= creeping <= _CREEP_ROWS else -1)
            creeping += creeping > 0
        _plant(rng, planted, rows, kinds, len(stages))
    return _Customer(np.array(rows), np.array(kinds, dtype=np.int64))


def _stages(rng: np.random.Generator, planted: int) -> list[int]:
    """The stages of one deal in order."""
    if planted == KINDS.index("skipped stage"):
        return [0, 2]
    if planted == KINDS.index("order swap"):
        return [0, 2, 1]
    return [0, *[1] * int(rng.integers(1, 3)), 2 if rng.random() < 0.7 else 3]


def _row(rng: np.random.Generator, stage: int, amount: float, currency: int, pace: float) -> list[float]:
    noise = (0.0, 0.03, 0.01, 0.03)[stage]
    priced = amount * float(np.exp(rng.normal(0, noise))) if noise else amount
    interest = float(np.clip(rng.normal((0.3, 0.6, 0.95, 0.1)[stage], 0.05), 0, 1))
    reason = float(rng.integers(1, 4)) if stage == 3 else 0.0
    days = float(rng.gamma(4.0, _DAYS[stage] * pace / 4.0))
    quantity = float(max(1, round(priced / 100 * float(np.exp(rng.normal(0, 0.2))))))
    return [float(stage), priced, interest, float(currency), reason, days, quantity]


def _plant(rng: np.random.Generator, planted: int, rows: list[list[float]], kinds: list[int], length: int) -> None:
    """Change the deal that ends the rows into the planted anomaly, and label what shows it."""
    first = len(rows) - length
    if planted == KINDS.index("skipped stage"):
        kinds[first + 1] = planted
    elif planted == KINDS.index("order swap"):
        kinds[first + 1] = kinds[first + 2] = planted
    elif planted == KINDS.index("stalled deal"):
        rows[first + 1][5] *= float(rng.uniform(6, 12))
        kinds[first + 1] = planted
    elif planted == KINDS.index("currency jump"):
        place = first + int(rng.integers(length))
        rows[place][3] = float((rows[place][3] + rng.integers(1, 4)) % 4)
        kinds[place] = planted
