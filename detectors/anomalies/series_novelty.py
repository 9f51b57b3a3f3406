"""Novelty of a series' latest stretch: how far is it from everything the series did before?

Online: the score of a row reads only that row and earlier ones. For stretches of several lengths, the
distance to the nearest earlier stretch (a left discord) is turned into a rarity on the series' own history,
so that metrics of any unit and noise share one scale; the rarities are averaged over the lengths. A
refractory period then leaves one alarm a disturbance instead of one a row.

Sources: nearest earlier neighbour as in Yeh et al., "Matrix Profile I", ICDM 2016 (left profile) and Lu et
al., "DAMP", KDD 2022, without their z-normalisation, because a level matters in a metric; conformal rarity
and the refractory period of a fifth of the learning span as in Burnaev and Ishimtsev, "Conformalized
density- and distance-based anomaly detection in time-series data" (KNN-CAD), 2016.

Tried and rejected, on NAB's files: the fifth instead of the first nearest neighbour (2 to 5 points less); the
maximum over the lengths instead of the mean (1 less); adding moving-average, step or level-shift members to
the mean (2 to 6 less: their rarity repeats the length-1 stretch, without its memory of earlier peaks).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_numba import compiled

Floats = npt.NDArray[np.float64]

LENGTHS = (1, 2, 4, 8, 16, 32)
"""Rows of the stretches compared, from a single reading to a shape. Sparser ladders score within 3 points."""

HISTORY = 10_000
"""Earlier rows a stretch is compared with and its rarity is counted over; bounds time and memory."""

TAIL = 0.1
"""Share of the history that the exponential tail is fitted to."""

MOST_RARE = 300.0
"""-log10 of the smallest tail probability a double can hold."""

LEVEL = 0.5
"""An alarm within the refractory period must exceed the earlier by this much (half a power of ten)."""


def novelty(values: Floats, *, learn: int, quiet: int | None = None, lengths: tuple[int, ...] = LENGTHS) -> Floats:
    """How new each row's recent stretch is, with repeats held back.

    values: (n,) readings in time order; not finite = missing, read as the reading before.
    learn: rows at the start that only teach. quiet: the refractory period in rows; a fifth of `learn` if None.

    Returns (n,) scores >= 0; 2 means that one in 100 earlier stretches was as far from all before it.
    """
    rarities = stretch_rarities(values, lengths=lengths)
    return hold_back(rarities.mean(axis=0), refractory(learn) if quiet is None else quiet)


def refractory(learn: int) -> int:
    """Rows for which an alarm silences weaker ones: a fifth of the learning span, at least one."""
    return max(1, learn // 5)


def stretch_rarities(values: Floats, *, lengths: tuple[int, ...] = LENGTHS) -> Floats:
    """Rarity (-log10 tail probability) of each row's nearest-earlier distances, (len(lengths), n)."""
    filled = fill_forward(np.asarray(values, dtype=np.float64))
    scaled = unit_range(filled)
    return np.stack([rarity(nearest_earlier(scaled, length, HISTORY), HISTORY) for length in lengths])


def unit_range(values: Floats) -> Floats:
    """The values divided by their largest magnitude, so that no square of a difference overflows."""
    largest = np.abs(values).max(initial=0.0)
    return values / largest if largest > 0 else values


def fill_forward(values: Floats) -> Floats:
    """Missing (not finite) readings take the one before; leading ones the first there is, or 0."""
    known = np.isfinite(values)
    if known.all():
        return values
    if not known.any():
        return np.zeros_like(values)
    place = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(place < 0, np.argmax(known), place)]


@compiled
def nearest_earlier(values: Floats, length: int, history: int) -> Floats:
    """Root mean squared distance from the stretch ending at each row to its nearest earlier one, (n,).

    Stretches closer than their own length (at least 12 rows) overlap or are still the same event and are
    not compared. Where there is no earlier stretch the distance is 0. O(n * history), whatever the length:
    along one lag, a stretch's squared distance is a running sum.
    """
    rows = len(values)
    best = np.full(rows, np.inf)
    apart = max(length, 12)
    for lag in range(apart, min(rows, apart + history)):
        total = 0.0
        for row in range(lag, rows):
            step = values[row] - values[row - lag]
            total += step * step
            if row - lag >= length:
                gone = values[row - length] - values[row - lag - length]
                total -= gone * gone
            if row - lag >= length - 1 and total < best[row]:
                best[row] = total
    for row in range(rows):
        best[row] = 0.0 if best[row] == np.inf else np.sqrt(max(best[row], 0.0) / length)
    return best


@compiled
def rarity(scores: Floats, history: int) -> Floats:
    """-log10 of the share of earlier scores at least as high, per row, (n,); 0 for the first 50 rows.

    Counted among the last `history` scores; beyond their 90 % quantile an exponential tail, so that a score
    higher than all before is not merely "one in as many as were seen".
    """
    rows = len(scores)
    out = np.zeros(rows)
    ordered = np.empty(min(rows, history) + 1)
    held = 0
    for row in range(rows):
        score = scores[row]
        place = np.searchsorted(ordered[:held], score)
        if held >= 50:
            cut = int(held * (1.0 - TAIL))
            bound = ordered[cut]
            if score <= bound:
                share = (held - place + 1.0) / (held + 1.0)
            else:
                excess = max(ordered[cut:held].mean() - bound, 1e-9 * abs(bound) + 1e-12)
                share = (held - cut) / held * np.exp(-(score - bound) / excess)
            out[row] = min(-np.log10(max(share, 1e-300)), MOST_RARE)
        if held == history:
            oldest = np.searchsorted(ordered[:held], scores[row - history])
            for at in range(oldest, held - 1):
                ordered[at] = ordered[at + 1]
            held -= 1
            place = np.searchsorted(ordered[:held], score)
        for at in range(held, place, -1):
            ordered[at] = ordered[at - 1]
        ordered[place] = score
        held += 1
    return out


@compiled
def hold_back(scores: Floats, quiet: int) -> Floats:
    """The scores, 0 where one of the last `quiet` rows was let through at least as high, (n,).

    Scores are rounded down to whole LEVELs first: a rising disturbance alarms again only when clearly worse.
    """
    out = np.zeros(len(scores))
    for row in range(len(scores)):
        level = np.floor(scores[row] / LEVEL) * LEVEL
        loudest = 0.0
        for at in range(max(0, row - quiet), row):
            loudest = max(loudest, out[at])
        if level > loudest:
            out[row] = level
    return out
