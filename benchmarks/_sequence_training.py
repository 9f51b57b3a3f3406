"""How fast the sequence networks train, and how much of a device they take, against the naive loop of tutorials.

The naive loop (batch 32, a row loaded at a time by Python, a fixed rate) takes hours where ours takes seconds, so
`--naive-batches` of its batches are timed and multiplied up; every such figure says so. Which held-out loss it
ends at is not guessed: the very same steps are all taken, from windows that lie on the device.
"""

from __future__ import annotations

import resource
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from detectors.anomalies.sequence_models import LstmAutoencoder
from detectors.anomalies.sequence_recording import adam, record
from detectors.anomalies.sequence_scoring import Scaling
from detectors.anomalies.sequence_synthetic import process_stream
from detectors.anomalies.sequence_training import Trained, TrainingSettings, choose_device, residuals, train

Singles = npt.NDArray[np.float32]

LOOKBACK = 10
NAIVE_BATCH = 32
PAPER_SECONDS = {"cnn": 146, "lstm": 484}
"""Bastidas et al., 170,000 rows and 30 epochs on a K80 and a V100."""
LENGTHS = (10_000, 100_000, 1_000_000)
_MEGABYTE = 2**20


def training(network: str, options: Namespace) -> Iterator[dict[str, Any]]:
    """Seconds of the naive loop for all epochs, of ours until its held-out loss is as low, and of ours for all."""
    given, held_out = seven_features(options.rows)
    device = choose_device(options.device)
    # Ours keeps to one thread; the naive loop's steps are too small for more, and CPU seconds count every thread.
    torch.set_num_threads(1)
    say(f"{network} on {device}: warming up")
    _warm_up(network, given, held_out, options)
    say(f"{network}: {options.naive_batches} batches of the naive loop")
    naive_seconds, timed, of = naive_seconds_of(network, given, options, device)
    say(f"{network}: where {of} naive steps end")
    naive_loss = naive_loss_of(network, given, held_out, options, device)
    say(f"{network}: ours")
    trained, epochs = ours(network, given, held_out, options)
    seconds, scoring = epochs[-1][1], scoring_seconds(trained, given)
    common = {"network": network, "rows": options.rows, "device": name_of(device)}
    yield common | {
        "loop": f"naive, batch {NAIVE_BATCH}, rate {options.naive_rate:g}",
        "epochs": options.epochs,
        "held-out loss": round(naive_loss, 4),
        "s": round(naive_seconds, 1),
        "rows/s": round(len(given) * options.epochs / naive_seconds),
        "ratio": 1.0,
        "measured": f"{timed:,} of {of:,} batches timed and multiplied up" if timed < of else "whole",
    }
    reached = next((place for place, (loss, _) in enumerate(epochs) if loss <= naive_loss), None)
    if reached is None:
        yield common | {"loop": "ours, to the naive loss", "measured": "not reached"}
    else:
        loss, spent = epochs[reached]
        yield (
            common
            | {"loop": "ours, to the naive loss", "epochs": reached + 1}
            | {
                "held-out loss": round(loss, 4),
                "s": round(spent, 2),
                "ratio": round(naive_seconds / spent, 1),
            }
        )
    per_row = naive_seconds / (len(given) * options.epochs)
    yield common | {
        "loop": "ours, all epochs or until it stops",
        "epochs": len(epochs),
        "held-out loss": round(trained.loss, 4),
        "s": round(seconds, 2),
        "rows/s": round(len(given) * len(epochs) / seconds),
        "ratio": round(per_row * len(given) * len(epochs) / seconds, 1),
        "paper s": PAPER_SECONDS[network],
        "scoring s": round(scoring, 3),
    }


def memory(network: str, options: Namespace) -> Iterator[dict[str, Any]]:
    """Peak memory of an epoch and of scoring, by length; the GPU's where there is one, else the process's."""
    device = choose_device(options.device)
    short, held_out = seven_features(LENGTHS[0])
    for rows in LENGTHS:
        say(f"{network}: memory at {rows:,} rows")
        given = np.resize(short, (rows, short.shape[1]))
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        brief = Namespace(**vars(options) | {"epochs": 1})
        trained, _ = ours(network, given, held_out, brief)
        residuals(trained.network, given)
        if device.type == "cuda":
            peak = {"peak GPU MB": round(torch.cuda.max_memory_allocated() / _MEGABYTE, 1)}
        else:
            peak = {"peak process MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}
        yield {"network": network, "rows": rows, "device": name_of(device), "loop": "an epoch, then scoring"} | peak


def say(words: str) -> None:
    """Progress, beside the result."""
    print(words, file=sys.stderr, flush=True)


def name_of(device: torch.device) -> str:
    """ "cpu", or the GPU's own name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu, one thread"


def seven_features(rows: int) -> tuple[Singles, Singles]:
    """The stream's seven columns as the paper feeds them, scaled on the training span; 80 % and 20 %."""
    values = process_stream(rows, seed=1).values.copy()
    values[:, [1, 5, 6]] = np.log1p(values[:, [1, 5, 6]])
    cut = int(rows * 0.8)
    scaled = Scaling.of(values[:cut]).apply(values).astype(np.float32)
    return scaled[:cut], scaled[cut:]


def ours(
    network: str, given: Singles, held_out: Singles, options: Namespace
) -> tuple[Trained, list[tuple[float, float]]]:
    """Our training, and after each epoch its held-out loss and the seconds so far (judging it is within them)."""
    epochs: list[tuple[float, float]] = []
    watch = _Watch(choose_device(options.device))

    def report(epoch: int, _: int, stage: str) -> None:
        epochs.append((float(stage.rsplit(" ", 1)[1]), watch.seconds()))

    settings = TrainingSettings(
        network=network, epochs=options.epochs, device=options.device, recorded=not options.unrecorded
    )
    whole = np.ones(len(given), dtype=np.bool_), np.ones(len(held_out), dtype=np.bool_)
    return train(given, whole[0], (held_out, whole[1]), settings, report=report), epochs


def scoring_seconds(trained: Trained, rows: Singles) -> float:
    """Seconds to score every row."""
    watch = _Watch(next(trained.network.parameters()).device)
    residuals(trained.network, rows)
    return watch.seconds()


class _Watch:
    """CPU seconds on a CPU, where other work shares the cores; wall-clock with the GPU's work done on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._started = self._now()

    def _now(self) -> float:
        if self._device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def seconds(self) -> float:
        return self._now() - self._started


def _warm_up(network: str, given: Singles, held_out: Singles, options: Namespace) -> None:
    """Load the device's libraries before a clock runs."""
    ours(network, given[:4000], held_out[:1000], Namespace(**vars(options) | {"epochs": 1}))


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


def _naive(
    network: str, features: int, rate: float, device: torch.device
) -> tuple[nn.Module, torch.optim.Adam, Callable[[Tensor, Tensor], None]]:
    """The naive loop's model, optimiser and step. The LSTM is ours: only the loop differs."""
    torch.manual_seed(0)
    model = (_PlainCnn(features) if network == "cnn" else LstmAutoencoder(features, LOOKBACK)).to(device)
    optimizer = adam(model.parameters(), rate, device)

    def step(windows: Tensor, rows: Tensor) -> None:
        optimizer.zero_grad()
        _naive_loss(model, windows, rows).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return model, optimizer, step


def _naive_loss(model: nn.Module, windows: Tensor, rows: Tensor) -> Tensor:
    wanted = windows if isinstance(model, LstmAutoencoder) else rows
    return nn.functional.mse_loss(model(windows), wanted)


def naive_seconds_of(network: str, given: Singles, options: Namespace, device: torch.device) -> tuple[float, int, int]:
    """Seconds of all its epochs, how many batches were timed, and how many there are in all."""
    _, _, step = _naive(network, given.shape[1], options.naive_rate, device)
    loader = DataLoader(_RowByRow(given), batch_size=NAIVE_BATCH, shuffle=True)
    of = len(loader) * options.epochs
    timed = min(options.naive_batches or of, of)
    batches = _endless(loader)
    for _ in range(20):
        step(*(part.to(device) for part in next(batches)))
    watch = _Watch(device)
    for _ in range(timed):
        step(*(part.to(device) for part in next(batches)))
    return watch.seconds() * of / timed, timed, of


def _endless(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


def naive_loss_of(network: str, given: Singles, held_out: Singles, options: Namespace, device: torch.device) -> float:
    """Held-out loss after all the naive loop's steps, taken from windows on the device (recorded, on a GPU)."""
    model, optimizer, step = _naive(network, given.shape[1], options.naive_rate, device)
    windows = torch.from_numpy(given).to(device).unfold(0, LOOKBACK + 1, 1).transpose(1, 2)
    take: Callable[[Tensor], None] = _taking(step, windows)
    if device.type == "cuda" and not options.unrecorded:
        take = record(take, torch.arange(NAIVE_BATCH, device=device), network=model, optimizer=optimizer)
    for epoch in range(options.epochs):
        order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(epoch)).to(device)
        for chosen in order[: len(order) // NAIVE_BATCH * NAIVE_BATCH].view(-1, NAIVE_BATCH):
            take(chosen)
    return _mean_loss(model, torch.from_numpy(held_out).to(device).unfold(0, LOOKBACK + 1, 1).transpose(1, 2))


def _taking(step: Callable[[Tensor, Tensor], None], windows: Tensor) -> Callable[[Tensor], None]:
    def take(chosen: Tensor) -> None:
        rows = windows[chosen]
        step(rows[:, :LOOKBACK], rows[:, LOOKBACK])

    return take


@torch.no_grad()
def _mean_loss(model: nn.Module, windows: Tensor) -> float:
    """Over all windows, in pieces."""
    total = 0.0
    for part in torch.split(windows, 4096):
        total += float(_naive_loss(model, part[:, :LOOKBACK], part[:, LOOKBACK])) * len(part)
    return total / len(windows)
