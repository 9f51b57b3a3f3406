"""The Numenta Anomaly Benchmark's score (standard profile), computed as its authors' code states it.

A detector gives every row of a series a score, higher = more anomalous. One threshold is chosen for the whole
corpus, the one that scores best, as NAB does for every detector. At or above it, the earliest row inside a
labelled window earns up to +1 (a sigmoid of its place in the window), a window without one costs 1, and a row
outside all windows costs up to 0.11, less just after a window. The sum is scaled so that 0 is a detector
that never alarms and 100 one that alarms at the first row of every window.

Source: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark",
ICMLA 2015; sweep over thresholds as in NAB 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PROBATION_SHARE = 0.15
PROBATION_CAP = 5000
FALSE_POSITIVE_WEIGHT = 0.11
_FAR = 3.0


@dataclass(frozen=True, slots=True)
class Labelled:
    """One series with its labelled windows.

    name: the file, as the label file names it.
    times: (n,) seconds since the epoch, rising.
    values: (n,) the metric; finite.
    windows: first and last row of each labelled anomaly, both inside it, in order.
    """

    name: str
    times: Floats
    values: Floats
    windows: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class NabScore:
    """What one detector reached on a corpus.

    score: 0 = never alarms, 100 = perfect; may be negative.
    threshold: the corpus-wide threshold that reached it; alarms are scores >= it.
    hits, windows: windows with at least one alarm, and all windows.
    false_alarms: alarms outside every window.
    """

    score: float
    threshold: float
    hits: int
    windows: int
    false_alarms: int


def probation(rows: int) -> int:
    """Rows at the start of a series that teach a detector and are not scored."""
    return int(min(PROBATION_SHARE * rows, PROBATION_SHARE * PROBATION_CAP))


def row_rewards(rows: int, windows: Sequence[tuple[int, int]]) -> tuple[Floats, Ints]:
    """What an alarm at each row is worth, and the window it lies in (-1 outside all).

    Inside a window the worth falls from 1 at its first row towards 0 at its last; outside it is negative and
    grows to -0.11 with the distance from the window before, in widths of that window.
    """
    worth = np.full(rows, -FALSE_POSITIVE_WEIGHT)
    window = np.full(rows, -1, dtype=np.int64)
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        behind = np.arange(last + 1, rows)
        worth[last + 1 :] = FALSE_POSITIVE_WEIGHT * _sigmoid((behind - last) / max(width - 1, 1))
        inside = np.arange(first, last + 1)
        worth[first : last + 1] = _sigmoid(-(last - inside + 1) / width) / _sigmoid(np.array([-1.0]))[0]
        window[first : last + 1] = number
    return worth, window


def _sigmoid(position: Floats) -> Floats:
    """NAB's scaled sigmoid: near 1 at -1 (a window's start), 0 at 0 (its end), -1 beyond three widths."""
    return np.where(position >= _FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * position)) - 1.0)


def nab_score(corpus: Sequence[Labelled], scores: Mapping[str, Floats]) -> NabScore:
    """The standard-profile score of one detector over a corpus.

    scores: file name -> (n,) score of every row, higher = more anomalous.

    Raises ValueError if the corpus has no labelled window, or a score has not its series' length.
    """
    labelled = sum(len(series.windows) for series in corpus)
    if not labelled:
        raise ValueError("no labelled window in the corpus: there is nothing to score")
    points = _Points.gather(corpus, scores)
    raw, threshold, hits, false_alarms = points.sweep()
    lowest = -float(points.window_count)
    return NabScore(100 * (raw - lowest) / (labelled - lowest), threshold, hits, labelled, false_alarms)


def earned(series: Labelled, scores: Floats, threshold: float) -> float:
    """What alarms at or above this threshold earn on one series, -1 for each window without one: a part of the sum.

    `nab_score` is 100 x (sum over the corpus + windows) / (2 x windows). Windows within the learning span do not count.
    """
    points = _Points.gather([series], {series.name: scores})
    alarms = points.score >= threshold
    total = float(points.worth[alarms & (points.window < 0)].sum())
    for number in range(points.window_count):
        worth = points.worth[alarms & (points.window == number)]
        total += float(worth.max(initial=-1.0))
    return total


@dataclass(frozen=True, slots=True)
class _Points:
    """Every scored row of a corpus: score, worth of an alarm there, window over the corpus (-1: none)."""

    score: Floats
    worth: Floats
    window: Ints
    window_count: int

    @classmethod
    def gather(cls, corpus: Sequence[Labelled], scores: Mapping[str, Floats]) -> _Points:
        parts: list[tuple[Floats, Floats, Ints]] = []
        before = 0
        for series in corpus:
            given = np.asarray(scores[series.name], dtype=np.float64)
            if given.shape != series.values.shape:
                raise ValueError(f"{series.name}: {len(given)} scores for {len(series.values)} rows")
            worth, window = row_rewards(len(given), series.windows)
            start = probation(len(given))
            parts.append((given[start:], worth[start:], np.where(window < 0, -1, window + before)[start:]))
            before += len(series.windows)
        score, worth, window = (np.concatenate(column) for column in zip(*parts, strict=True))
        seen, compact = np.unique(window[window >= 0], return_inverse=True)
        window[window >= 0] = compact
        return cls(score, worth, window, len(seen))

    def sweep(self) -> tuple[float, float, int, int]:
        """The best sum over all thresholds; its threshold, windows hit and false alarms."""
        order = np.argsort(-self.score, kind="stable")
        score, worth, window = self.score[order], self.worth[order], self.window[order]
        gain = np.where(window < 0, worth, 0.0)
        first = np.zeros(len(order), dtype=bool)
        for number in range(self.window_count):
            rows = np.flatnonzero(window == number)
            best = np.maximum.accumulate(np.maximum(worth[rows], -1.0))
            gain[rows] = np.diff(best, prepend=-1.0)
            first[rows[0]] = True
        total = np.cumsum(gain) - self.window_count
        ends = np.flatnonzero(np.append(score[1:] != score[:-1], True))
        best_end = ends[np.argmax(total[ends])]
        if total[best_end] <= -self.window_count:
            return -float(self.window_count), float("inf"), 0, 0
        alarms = slice(0, best_end + 1)
        return (
            float(total[best_end]),
            float(score[best_end]),
            int(first[alarms].sum()),
            int((window[alarms] < 0).sum()),
        )
