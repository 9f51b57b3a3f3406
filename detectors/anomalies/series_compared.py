"""Methods that failed for others, under the signature of `series_methods`: to be compared on a user's own series.

One-class SVM, ARIMA, spectral signature, entropy and a feed-forward network failed for the authors of the
moving-average system whose way we follow; spectral residual and the sequence networks stand beside them. None is
ever a default: they are here so that a person sees the comparison instead of believing it.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from detectors.anomalies.sequence_members import Padded, fit_member
from detectors.anomalies.series_methods import Method
from detectors.anomalies.series_novelty import HISTORY, fill_forward, hold_back, rarity, refractory, unit_range

Floats = npt.NDArray[np.float64]

LAGS = 12
LEAST = 4 * LAGS
"""Shorter learning spans teach these methods nothing: they stay silent."""


def _windows(values: Floats) -> Floats:
    """The LAGS readings before each row, (n, LAGS); the first reading before the start."""
    padded = np.concatenate([np.full(LAGS, values[0]), values])
    return np.lib.stride_tricks.sliding_window_view(padded, LAGS)[: len(values)]


def _scored(scores: Floats, learn: int) -> Floats:
    return hold_back(rarity(np.nan_to_num(scores), HISTORY), refractory(learn))


def _standard(values: Floats, learn: int) -> Floats:
    filled = unit_range(fill_forward(values))
    return np.asarray((filled - filled[:learn].mean()) / (filled[:learn].std() + 1e-9), dtype=np.float64)


def _one_class_svm(times: Floats, values: Floats, learn: int) -> Floats:
    from sklearn.svm import OneClassSVM

    z = _standard(values, learn)
    recent = np.concatenate([_windows(z), z[:, None]], axis=1)
    return _scored(-OneClassSVM(nu=0.01, gamma="scale").fit(recent[:learn]).decision_function(recent), learn)


def _arima(times: Floats, values: Floats, learn: int) -> Floats:
    """ARIMA(LAGS, 1, 0) by least squares on the learning span."""
    steps = np.diff(_standard(values, learn), prepend=0.0)
    before = _windows(steps)
    weights = np.linalg.lstsq(before[:learn], steps[:learn], rcond=None)[0]
    return _scored(np.abs(steps - before @ weights), learn)


def _spectral_residual(times: Floats, values: Floats, learn: int) -> Floats:
    """Saliency of the last reading in a sliding window of 128 (Ren et al., KDD 2019)."""
    z, width = _standard(values, learn), 128
    padded = np.concatenate([np.full(width - 1, z[0]), z])
    spectrum = np.fft.fft(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    size = np.log(np.abs(spectrum) + 1e-9)
    smooth = np.stack([np.roll(size, shift, axis=1) for shift in (-1, 0, 1)]).mean(axis=0)
    saliency = np.abs(np.fft.ifft(np.exp(size - smooth + 1j * np.angle(spectrum)), axis=1))
    return _scored(saliency[:, -1] / (saliency.mean(axis=1) + 1e-9), learn)


def _entropy(times: Floats, values: Floats, learn: int) -> Floats:
    """Change of the entropy of the last 48 readings, in ten bins of the learning span."""
    z = _standard(values, learn)
    bins = np.digitize(z, np.linspace(z[:learn].min(), z[:learn].max() + 1e-9, 9))
    counts = np.cumsum(bins[:, None] == np.arange(10), axis=0)
    recent = counts - np.concatenate([np.zeros((min(48, len(z)), 10)), counts[:-48]])[: len(z)]
    share = recent / recent.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(share + 1e-12)).sum(axis=1)
    return _scored(np.abs(entropy - np.concatenate([np.full(48, entropy[0]), entropy])[: len(z)]), learn)


def _feed_forward(times: Floats, values: Floats, learn: int) -> Floats:
    from sklearn.neural_network import MLPRegressor

    z = _standard(values, learn)
    before = _windows(z)
    network = MLPRegressor(hidden_layer_sizes=(16,), max_iter=60, random_state=0, early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 passes over some 600 rows need not converge
        network.fit(before[:learn], z[:learn])
    return _scored(np.abs(z - network.predict(before)), learn)


def _spectral_signature(times: Floats, values: Floats, learn: int) -> Floats:
    """Squared projection of the last readings on the direction in which those of the learning span vary most.

    Source: Tran, Li and Madry, "Spectral Signatures in Backdoor Attacks", NeurIPS 2018, on windows in place of a
    network's representations.
    """
    z = _standard(values, learn)
    recent = np.concatenate([_windows(z), z[:, None]], axis=1)
    away = recent - recent[:learn].mean(axis=0)
    direction = np.linalg.svd(away[:learn], full_matrices=False)[2][0]
    return _scored((away @ direction) ** 2, learn)


def _network(name: str) -> Method:
    """A sequence network (see `sequence_models`) on one column, trained on the first four fifths of the learning span.

    Its residual's size is its score: whitening one column is only a change of unit.
    """

    def score(times: Floats, values: Floats, learn: int) -> Floats:
        rows = _standard(values, learn)[:, None]
        cut = learn * 4 // 5
        training, held_out, whole = (Padded.of(part, _first(len(part))) for part in (rows[:cut], rows[cut:learn], rows))
        member = fit_member(name, training, held_out)
        return _scored(np.abs(member.residuals(whole)[:, 0]), learn)

    return score


def _first(rows: int) -> npt.NDArray[np.bool_]:
    return np.asarray(np.arange(rows) == 0)


def _patient(method: Method) -> Method:
    """Silent where there is too little to learn from, or nothing after it."""

    def score(times: Floats, values: Floats, learn: int) -> Floats:
        if learn < LEAST or len(values) <= learn or not np.isfinite(values).any():
            return np.zeros(len(values))
        return method(times, values, learn)

    return score


NETWORKS = {"DeepCNN": "cnn", "LSTM autoencoder": "lstm"}
"""Name -> the member of `sequence_members` it is."""

COMPARED: dict[str, Method] = {
    name: _patient(method)
    for name, method in {
        "one-class SVM": _one_class_svm,
        "ARIMA(12, 1, 0)": _arima,
        "spectral signature": _spectral_signature,
        "spectral residual": _spectral_residual,
        "entropy": _entropy,
        "feed-forward net": _feed_forward,
        **{name: _network(member) for name, member in NETWORKS.items()},
    }.items()
}
"""What stands beside the product's methods in a comparison, by name."""
