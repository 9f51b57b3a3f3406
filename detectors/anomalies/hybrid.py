"""The retrained half of discovery: randomised trees on the answers, with unlabelled rows taken as nominal.

Each tree sees every answer and its own random draw of rows nobody has judged, which count as weakly nominal
(they nearly all are). An answer counts as anomaly as far as it is believed; all anomalies together weigh as much
as all the rest. It costs more than a reweighting, so it runs every few answers, in a worker.

Own compiled trees rather than scikit-learn's ExtraTreesClassifier: a fresh draw of rows a tree, a sixth of the
time at a few hundred answers, and nothing to pickle.

Source: Geurts, Ernst, Wehenkel, "Extremely randomized trees", Machine Learning 2006; bagging of unlabelled
rows: Mordelet, Vert, "A bagging SVM to learn from positive and unlabeled examples", 2014.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from detectors.anomalies.forest import Floats, Matrix
from detectors.anomalies.similarity import Rows

TREES = 100
UNLABELLED_WEIGHT = 0.5
PURE = 0.02
"""A node that is so pure is cut no further: no answer is believed wholly."""
LEAST_FOUND = 0.5
"""Anomalies, each counted as far as it is believed, below which there is nothing to learn."""


def retrained(inputs: Matrix, rows: Rows, belief: Floats, seed: int) -> Floats | None:
    """Each row's share of anomaly in [0, 1] by trees trained on the answers: (n,); None while none is believed.

    inputs: (n, d) features, extended by the unlabelled detectors' ranks.
    rows, belief: (k,) answered positions, and the probability by then that each is an anomaly.
    """
    if not belief.sum() >= LEAST_FOUND:
        return None
    unlabelled = np.setdiff1d(np.arange(len(inputs)), rows)
    drawn = min(max(len(rows), 50), len(unlabelled))
    nominal = (1 - belief).sum() + UNLABELLED_WEIGHT * drawn
    anomalous = belief * nominal / belief.sum()
    weights = anomalous + 1 - belief
    tried = int(np.ceil(np.sqrt(inputs.shape[1])))
    return np.asarray(
        _grow_and_ask(
            np.ascontiguousarray(inputs, np.float32), rows, anomalous / weights, weights,
            unlabelled if drawn else rows, drawn, UNLABELLED_WEIGHT, TREES, tried, seed % 2**31,
        )
    )  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _grow_and_ask(inputs, rows, verdicts, weights, unlabelled, drawn, light, trees, tried, seed):  # type: ignore[no-untyped-def]
    np.random.seed(seed)
    total, labelled = np.zeros(inputs.shape[0]), rows.shape[0]
    at, verdict, weight = np.empty(labelled + drawn, np.int64), np.empty(labelled + drawn), np.empty(labelled + drawn)
    for _ in range(trees):
        at[:labelled], verdict[:labelled], weight[:labelled] = rows, verdicts, weights
        for place in range(labelled, labelled + drawn):
            at[place], verdict[place], weight[place] = unlabelled[np.random.randint(len(unlabelled))], 0.0, light
        feature, cut, children, share = _grow(inputs, at, verdict, weight, tried)
        for row in range(inputs.shape[0]):
            node = 0
            while feature[node] >= 0:
                node = children[node] + (inputs[row, feature[node]] > cut[node])
            total[row] += share[node]
    return total / trees


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _grow(inputs, at, verdict, weight, tried):  # type: ignore[no-untyped-def]
    """One tree on the rows `at`; a node's right child follows its left one."""
    room = 2 * len(at) + 1
    feature, cut = np.full(room, -1), np.empty(room, np.float32)
    children, share = np.zeros(room, np.int64), np.empty(room)
    stack = [(0, 0, len(at))]
    nodes, order = 1, np.arange(inputs.shape[1])
    while len(stack):
        node, start, end = stack.pop()
        whole, anomalous = weight[start:end].sum(), (weight[start:end] * verdict[start:end]).sum()
        share[node] = anomalous / whole
        if end - start < 2 or anomalous <= PURE * whole or anomalous >= (1 - PURE) * whole:
            continue
        column, threshold = _random_split(inputs, at[start:end], verdict[start:end], weight[start:end], order, tried)
        if column < 0:
            continue
        middle = _partition(inputs, at, verdict, weight, start, end, column, threshold)
        feature[node], cut[node], children[node] = column, threshold, nodes
        stack.append((nodes, start, middle))
        stack.append((nodes + 1, middle, end))
        nodes += 2
    return feature, cut, children, share


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _random_split(inputs, at, verdict, weight, order, tried):  # type: ignore[no-untyped-def]
    """The purest of `tried` random cuts, each of another column that is not constant; column -1 if all are."""
    lowest, column, threshold, seen = np.inf, -1, np.float32(0), 0
    for place in range(len(order)):
        other = place + np.random.randint(len(order) - place)
        order[place], order[other] = order[other], order[place]
        candidate = order[place]
        low, high = inputs[at[0], candidate], inputs[at[0], candidate]
        for row in at:
            low, high = min(low, inputs[row, candidate]), max(high, inputs[row, candidate])
        if not high > low:
            continue
        middle = np.float32(low + (high - low) * np.random.random())
        if middle >= high:
            middle = low
        left, left_anomalous, right, right_anomalous = 0.0, 0.0, 0.0, 0.0
        for row in range(len(at)):
            if inputs[at[row], candidate] <= middle:
                left += weight[row]
                left_anomalous += weight[row] * verdict[row]
            else:
                right += weight[row]
                right_anomalous += weight[row] * verdict[row]
        impurity = left_anomalous * (1 - left_anomalous / left) + right_anomalous * (1 - right_anomalous / right)
        if impurity < lowest:
            lowest, column, threshold = impurity, candidate, middle
        seen += 1
        if seen == tried:
            break
    return column, threshold


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _partition(inputs, at, verdict, weight, start, end, column, threshold):  # type: ignore[no-untyped-def]
    low, high = start, end - 1
    while low <= high:
        if inputs[at[low], column] <= threshold:
            low += 1
        else:
            at[low], at[high] = at[high], at[low]
            verdict[low], verdict[high] = verdict[high], verdict[low]
            weight[low], weight[high] = weight[high], weight[low]
            high -= 1
    return low
