"""The forecasters a source's process is judged by, from none at all to a network, under one interface.

- control: no model. What is expected is the mean; whitening does the rest. Always fitted, always reported.
- linear: ridge regression of a row on the `lookback` rows before it. No network, a second for 100,000 rows.
- cnn, lstm: the networks of `sequence_models`; torch is imported only when one of them is fitted or read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from detectors.anomalies.sequence_models import SequenceNetwork

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

LOOKBACK = 10
_RIDGE = 1e-3
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Padded:
    """Scaled rows with `lookback` average rows before each customer, so that no window mixes two.

    rows: (m, features) float32. real: (m,) False for padding. place: (n,) where each row went.
    """

    rows: npt.NDArray[np.float32]
    real: Flags
    place: Ints

    @classmethod
    def of(cls, scaled: Floats, starts: Flags, lookback: int = LOOKBACK) -> Padded:
        """Pad scaled rows (n, features); starts: (n,) True at each customer's first row."""
        place = np.arange(len(scaled)) + lookback * np.cumsum(starts)
        size = int(place[-1]) + 1 if len(place) else 0
        rows = np.zeros((size, scaled.shape[1]), dtype=np.float32)
        rows[place] = scaled
        real = np.zeros(size, dtype=np.bool_)
        real[place] = True
        return cls(rows, real, place)


class Member(ABC):
    """Says what each row should have been, from the rows before it."""

    name: ClassVar[str]

    @abstractmethod
    def residuals(self, padded: Padded) -> Floats:
        """Actual minus expected of the rows, padding left out, (n, features)."""

    @abstractmethod
    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        """All that was learned, for a file."""

    @classmethod
    @abstractmethod
    def restore(cls, tensors: Mapping[str, npt.NDArray[np.float32]], features: int) -> Member:
        """What `tensors` gave. Raises KeyError, ValueError or RuntimeError where they do not fit."""


class Control(Member):
    """No model: every row is expected to be average."""

    name = "control"

    def residuals(self, padded: Padded) -> Floats:
        return padded.rows[padded.place].astype(np.float64)

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        return {}

    @classmethod
    def restore(cls, tensors: Mapping[str, npt.NDArray[np.float32]], features: int) -> Control:
        return cls()


class Linear(Member):
    """Ridge regression on the rows before. weights: (1 + LOOKBACK * features, features)."""

    name = "linear"

    def __init__(self, weights: npt.NDArray[np.float32]) -> None:
        self._weights = weights

    @classmethod
    def fit(cls, padded: Padded) -> Linear:
        """The least-squares forecast of the padded rows, with a small penalty."""
        features = padded.rows.shape[1]
        size = 1 + LOOKBACK * features
        gram, cross = np.zeros((size, size)), np.zeros((size, features))
        for part in _parts(padded.place):
            before = _before(padded.rows, part)
            gram += before.T @ before
            cross += before.T @ padded.rows[part]
        gram += _RIDGE * len(padded.place) * np.eye(size)
        return cls(np.linalg.solve(gram, cross).astype(np.float32))

    def residuals(self, padded: Padded) -> Floats:
        out = [
            (padded.rows[part] - _before(padded.rows, part) @ self._weights).astype(np.float64)
            for part in _parts(padded.place)
        ]
        return np.concatenate([np.zeros((0, padded.rows.shape[1])), *out])

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        return {"weights": self._weights}

    @classmethod
    def restore(cls, tensors: Mapping[str, npt.NDArray[np.float32]], features: int) -> Linear:
        if tensors["weights"].shape != (1 + LOOKBACK * features, features):
            raise ValueError("the weights do not fit the features")
        return cls(tensors["weights"])


class Network(Member):
    """A trained torch network behind the same interface."""

    name = "network"

    def __init__(self, network: SequenceNetwork) -> None:
        self._network = network

    @classmethod
    def fit(
        cls,
        padded: Padded,
        held_out: Padded,
        *,
        epochs: int = 12,
        seed: int = 0,
        device: str = "auto",
        report: Callable[..., None] = lambda *_: None,
    ) -> Network:
        """Train on the padded rows, stopped by the held-out ones; batches as large as leave 32 steps an epoch."""
        from detectors.anomalies import sequence_training as training

        settings = training.TrainingSettings(
            network=cls.name,
            lookback=LOOKBACK,
            epochs=epochs,
            batch=int(np.clip(len(padded.rows) // 32, training.SEGMENT, 2048)),
            seed=seed,
            device=device,
        )
        given = (held_out.rows, held_out.real)
        return cls(training.train(padded.rows, padded.real, given, settings, report=report).network)

    def residuals(self, padded: Padded) -> Floats:
        from detectors.anomalies import sequence_training as training

        return training.residuals(self._network, padded.rows)[padded.place]

    def tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        state = self._network.state_dict()
        return {name: value.detach().float().cpu().numpy() for name, value in state.items()}

    @classmethod
    def restore(cls, tensors: Mapping[str, npt.NDArray[np.float32]], features: int) -> Network:
        import torch

        from detectors.anomalies.sequence_models import NETWORKS

        network = NETWORKS[cls.name](features, LOOKBACK)
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in tensors.items()})
        return cls(network.eval())


class Convolutional(Network):
    """The convolutional forecaster."""

    name = "cnn"


class Autoencoder(Network):
    """The LSTM autoencoder."""

    name = "lstm"


MEMBERS: dict[str, type[Member]] = {one.name: one for one in (Control, Linear, Convolutional, Autoencoder)}


def fit_member(name: str, padded: Padded, held_out: Padded, **options: Any) -> Member:
    """A member fitted on the padded rows. options: epochs, seed, device, report, for a network.

    Raises KeyError for an unknown name.
    """
    kind = MEMBERS[name]
    if issubclass(kind, Network):
        return kind.fit(padded, held_out, **options)
    return Linear.fit(padded) if kind is Linear else Control()


def _before(rows: npt.NDArray[np.float32], places: Ints) -> npt.NDArray[np.float32]:
    """A one and the LOOKBACK rows before each place, (n, 1 + LOOKBACK * features)."""
    gathered = rows[places[:, None] - np.arange(1, LOOKBACK + 1)].reshape(len(places), -1)
    return np.concatenate([np.ones((len(places), 1), dtype=np.float32), gathered], axis=1)


def _parts(places: Ints) -> list[Ints]:
    """The places in pieces of bounded memory."""
    return [places[start : start + _CHUNK] for start in range(0, len(places), _CHUNK)]
