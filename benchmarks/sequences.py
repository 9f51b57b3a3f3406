"""Sequence models: how fast they train against the naive loop, and whether they beat no model at all."""

from __future__ import annotations

import resource
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from detectors.anomalies.sequence_features import Encoding, process_of
from detectors.anomalies.sequence_judging import fit_alone
from detectors.anomalies.sequence_members import MEMBERS
from detectors.anomalies.sequence_models import NETWORKS, LstmAutoencoder
from detectors.anomalies.sequence_scoring import (
    Scaling,
    area_under_curve,
    average_precision,
    likelihood,
)
from detectors.anomalies.sequence_synthetic import KINDS, process_stream
from detectors.anomalies.sequence_training import Trained, TrainingSettings, choose_device, residuals, train
from detectors.contract import Batch
from detectors.roles import Role

TITLE = "Sequence models: training against the naive loop, and each model against the control"
PEERS: list[str] = []

Singles = npt.NDArray[np.float32]

LOOKBACK = 10
PUBLISHED_RATE = 1e-5
ROLES = {
    "Account": Role.ACCOUNT_REF,
    "Created": Role.CREATED_AT,
    "Stage": Role.STAGE,
    "Amount": Role.AMOUNT,
    "Probability": Role.PROBABILITY,
    "Currency": Role.CURRENCY,
    "Reason": Role.REASON,
    "Quantity": Role.QUANTITY,
}


def add_arguments(parser: ArgumentParser) -> None:
    """Sizes: the defaults are the figure's; fewer rows for a quick look."""
    parser.add_argument("--part", choices=["training", "quality", "all"], default="all")
    parser.add_argument("--network", choices=list(NETWORKS), action="append", help="for training; both by default")
    parser.add_argument("--rows", type=int, default=170_000, help="rows of 7 features to train on")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--naive-rate", type=float, default=PUBLISHED_RATE, help="the published library's is 1e-5")
    parser.add_argument("--quality-rows", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def run(options: Namespace) -> list[dict[str, Any]]:
    """Rows of both parts; columns that a part lacks are left out."""
    rows: list[dict[str, Any]] = []
    if options.part in {"training", "all"}:
        for network in options.network or list(NETWORKS):
            rows += training(network, options)
    if options.part in {"quality", "all"}:
        rows += quality(options)
    return rows


def training(network: str, options: Namespace) -> list[dict[str, Any]]:
    """Seconds of the naive loop for all epochs, and of ours until its held-out loss is as low."""
    given, held_out = seven_features(options.rows)
    started = time.process_time()
    naive_loss = naive_loop(network, given, held_out, options)
    naive_seconds = time.process_time() - started
    reached = ours_until(network, given, held_out, options, naive_loss)
    whole_seconds, whole_loss = ours_whole(network, given, held_out, options)
    common = {"network": network, "rows": options.rows, "device": str(choose_device(options.device))}
    return [
        common
        | {"loop": f"naive, batch 32, rate {options.naive_rate:g}", "epochs": options.epochs}
        | {"held-out loss": round(naive_loss, 4), "cpu s": round(naive_seconds, 2), "ratio": 1.0},
        common
        | {"loop": "ours, to the naive loss", "epochs": reached["epochs"]}
        | {"held-out loss": round(reached["loss"], 4), "cpu s": round(reached["seconds"], 2)}
        | {"ratio": round(naive_seconds / reached["seconds"], 1)},
        common
        | {"loop": "ours, all epochs or until it stops", "epochs": options.epochs}
        | {"held-out loss": round(whole_loss, 4), "cpu s": round(whole_seconds, 2)}
        | {"ratio": round(naive_seconds / whole_seconds, 1)}
        | {"peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)},
    ]


def seven_features(rows: int) -> tuple[Singles, Singles]:
    """The stream's seven columns as the paper feeds them, scaled on the training span; 80 % and 20 %."""
    values = process_stream(rows, seed=1).values.copy()
    values[:, [1, 5, 6]] = np.log1p(values[:, [1, 5, 6]])
    cut = int(rows * 0.8)
    scaled = Scaling.of(values[:cut]).apply(values).astype(np.float32)
    return scaled[:cut], scaled[cut:]


class _RowByRow(Dataset[tuple[Tensor, Tensor]]):
    """A window and its next row, made anew from NumPy at each access: what tutorials do."""

    def __init__(self, rows: Singles) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows) - LOOKBACK

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        window = torch.tensor(self._rows[place : place + LOOKBACK])
        return window, torch.tensor(self._rows[place + LOOKBACK])


class _PlainCnn(nn.Module):
    """The paper's forecaster as it is drawn, each window by itself."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(features, 32, 2),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(32, 32, 2),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Flatten(),
            nn.Linear(32, features),
        )

    def forward(self, windows: Tensor) -> Tensor:
        forecast: Tensor = self.layers(windows.transpose(1, 2))
        return forecast


def naive_loop(network: str, given: Singles, held_out: Singles, options: Namespace) -> float:
    """Held-out loss of batch 32, a row loaded at a time, a fixed rate. The LSTM is ours: only the loop differs."""
    torch.manual_seed(0)
    device = choose_device(options.device)
    features = given.shape[1]
    model = (_PlainCnn(features) if network == "cnn" else LstmAutoencoder(features, LOOKBACK)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.naive_rate)
    for _ in range(options.epochs):
        for windows, rows in DataLoader(_RowByRow(given), batch_size=32, shuffle=True):
            optimizer.zero_grad()
            _naive_loss(model, windows.to(device), rows.to(device)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        batches = DataLoader(_RowByRow(held_out), batch_size=4096)
        losses = [
            (float(_naive_loss(model, windows.to(device), rows.to(device))), len(rows)) for windows, rows in batches
        ]
    return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)


def _naive_loss(model: nn.Module, windows: Tensor, rows: Tensor) -> Tensor:
    wanted = windows if isinstance(model, LstmAutoencoder) else rows
    return nn.functional.mse_loss(model(windows), wanted)


class _Reached(Exception):
    """Ends our training at the epoch whose held-out loss is as low as asked."""


def ours_until(network: str, given: Singles, held_out: Singles, options: Namespace, loss: float) -> dict[str, float]:
    """Epochs, loss and seconds of ours until the held-out loss is at most `loss` (or training ends)."""
    last = {"epochs": 0.0, "loss": float("inf")}

    def report(epoch: int, epochs: int, stage: str) -> None:
        last.update(epochs=epoch, loss=float(stage.rsplit(" ", 1)[1]))
        if last["loss"] <= loss:
            raise _Reached

    started = time.process_time()
    with suppress(_Reached):
        _train(network, given, held_out, options, report)
    return last | {"seconds": time.process_time() - started}


def ours_whole(network: str, given: Singles, held_out: Singles, options: Namespace) -> tuple[float, float]:
    """Seconds and best held-out loss of ours over all epochs (or until it stops early), scoring included."""
    started = time.process_time()
    trained = _train(network, given, held_out, options, lambda *_: None)
    residuals(trained.network, held_out)
    return time.process_time() - started, trained.loss


def _train(network: str, given: Singles, held_out: Singles, options: Namespace, report: Any) -> Trained:
    settings = TrainingSettings(network=network, epochs=options.epochs, device=options.device)
    whole = np.ones(len(given), dtype=np.bool_), np.ones(len(held_out), dtype=np.bool_)
    return train(given, whole[0], (held_out, whole[1]), settings, report=report)


def quality(options: Namespace) -> list[dict[str, Any]]:
    """Each member on streams it was not made for: mean over the seeds, on the last fifth of the rows."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in MEMBERS}
    for seed in range(options.seeds):
        for name, figures in _quality_of(seed, options):
            found[name].append(figures)
    rows = []
    for name, seeds in found.items():
        means = {key: round(float(np.mean([one[key] for one in seeds])), 3) for key in seeds[0]}
        spread = round(float(np.std([one["AP"] for one in seeds])), 3)
        rows.append({"model": name, "rows": options.quality_rows, "seeds": options.seeds} | means | {"AP sd": spread})
    return rows


def _quality_of(seed: int, options: Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    stream = process_stream(options.quality_rows, seed=100 + seed)
    process = process_of(Batch(stream.frame(), ROLES, "orders"))
    if process is None:
        raise RuntimeError("the stream has no dates")
    kind = stream.kind[process.ids]
    encoding = Encoding.of(process)
    rows = encoding.encode(process)
    last = slice(int(len(rows) * 0.8), len(rows))
    for name in MEMBERS:
        model = fit_alone(encoding, rows, process.starts, name, seed=seed, device=options.device)
        judged = model.judge(rows, process.starts)
        odd = kind[last] >= 0
        creep = np.isin(kind[last], [-1, KINDS.index("price creep")])
        figures = {
            "AP": average_precision(judged.rarity[last], odd & (kind[last] != KINDS.index("price creep"))),
            "AUROC": area_under_curve(judged.rarity[last], odd),
            "AUROC, plain L2": area_under_curve(judged.error[last], odd),
        }
        for number, what in enumerate(KINDS):
            chosen = np.isin(kind[last], [-1, number])
            figures[what] = area_under_curve(judged.rarity[last][chosen], odd[chosen])
        likely = likelihood(judged.rarity)[last][creep]
        yield name, figures | {"price creep, likelihood": area_under_curve(likely, odd[creep])}
