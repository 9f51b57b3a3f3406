"""Training and running the sequence networks: one code for CPU and GPU, memory bounded whatever the length.

The series lies on the device once; batches are gathered from strided views of it, so that no row is copied
by Python. Scaling and the span that judges are the caller's (`sequence_members`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from detectors.anomalies.sequence_models import NETWORKS, SequenceNetwork
from detectors.contract import ModelFileError

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

CHECKPOINT_FORMAT = "crmquality sequence checkpoint 1"
SEGMENT = 64
"""Rows answered for by one segment in training."""

CHUNK = 65_536
"""Rows held at once in inference."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a network is trained.

    network: "cnn" or "lstm". lookback: rows before the judged one. epochs: at most.
    batch: rows answered for in one step. rate: Adam's at its peak; it falls to 0 along a cosine.
    patience: epochs without a better held-out loss before training stops.
    device: "cpu", "cuda" or "auto".
    """

    network: str = "cnn"
    lookback: int = 10
    epochs: int = 30
    batch: int = 2048
    rate: float = 4e-3
    patience: int = 5
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Trained:
    """A network at its best epoch, and the held-out loss after each epoch."""

    network: SequenceNetwork
    losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """The best held-out mean squared error."""
        return min(self.losses)


def choose_device(wish: str) -> torch.device:
    """The device for "cpu", "cuda" or "auto" (a GPU where there is one)."""
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wish)


def train(
    rows: Singles,
    real: Flags,
    held_out: tuple[Singles, Flags],
    settings: TrainingSettings,
    *,
    report: Callable[..., None] = lambda *_: None,
    checkpoint: Path | None = None,
) -> Trained:
    """A network trained on the rows, stopped by the held-out rows.

    rows: (n, features) scaled, in time order. real: (n,) False for padding between customers.
    report: called as report(epoch, epochs, stage) after each epoch.
    checkpoint: file written after each epoch and gone on from if it is there.

    Raises ModelFileError if the checkpoint is damaged or of other settings; ValueError if there are too few
    rows for one segment.
    """
    device = choose_device(settings.device)
    with _one_thread():
        return _train(rows, real, held_out, settings, device, report, checkpoint)


def _train(
    rows: Singles,
    real: Flags,
    held_out: tuple[Singles, Flags],
    settings: TrainingSettings,
    device: torch.device,
    report: Callable[..., None],
    checkpoint: Path | None,
) -> Trained:
    segments = _Segments.of(rows, real, settings.lookback, device)
    judged = _Segments.of(*held_out, settings.lookback, device)
    state = _State.start(rows.shape[1], settings, device)
    if checkpoint is not None and checkpoint.exists():
        state.resume(checkpoint, settings)
    while state.epoch < settings.epochs and state.stale < settings.patience:
        _run_epoch(state, segments, settings, device)
        state.judge(_held_out_loss(state.network, judged, settings, device))
        if checkpoint is not None:
            state.write(checkpoint, settings)
        report(state.epoch, settings.epochs, f"epoch {state.epoch}: held-out loss {state.losses[-1]:.5f}")
    state.network.load_state_dict(state.best)
    return Trained(state.network.eval(), tuple(state.losses))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one core of the CPU: at these sizes its threads wait for each other more than they work.

    On a machine whose cores are shared with other workers they made a training twenty times as long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def residuals(network: SequenceNetwork, rows: Singles, *, chunk: int = CHUNK) -> Floats:
    """Actual minus expected of every row, (n, features); the rows before the first count as average.

    At most `chunk` rows are on the device at a time.
    """
    with _one_thread(), torch.no_grad():
        return _residuals(network, rows, chunk)


def _residuals(network: SequenceNetwork, rows: Singles, chunk: int) -> Floats:
    device = next(network.parameters()).device
    lookback = network.lookback
    parts = [np.zeros((0, rows.shape[1]))]
    for start in range(0, len(rows), chunk):
        begin = max(0, start - lookback)
        piece = np.pad(rows[begin : start + chunk], ((lookback - (start - begin), 0), (0, 0)))
        segment = torch.from_numpy(np.ascontiguousarray(piece, dtype=np.float32)).to(device).unsqueeze(0)
        with _precision(device):
            answer = network.residuals(segment)
        parts.append(answer.squeeze(0).float().cpu().numpy().astype(np.float64))
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class _Segments:
    """A padded series on the device, cut into segments of lookback + SEGMENT rows as strided views."""

    rows: Tensor
    real: Tensor
    lookback: int

    @classmethod
    def of(cls, rows: Singles, real: Flags, lookback: int, device: torch.device) -> _Segments:
        if len(rows) < lookback + 1:
            raise ValueError(f"{len(rows)} rows are too few for a lookback of {lookback}")
        short = lookback + SEGMENT + (-len(rows)) % SEGMENT
        padded = np.pad(rows, ((lookback, short - lookback), (0, 0)))
        mask = np.pad(real.astype(np.float32), (lookback, short - lookback))
        return cls(torch.from_numpy(padded).to(device), torch.from_numpy(mask).to(device), lookback)

    def views(self, shift: int) -> tuple[Tensor, Tensor]:
        """Segments starting at `shift`, `shift` + SEGMENT, ...: (count, length, features), (count, length)."""
        length = self.lookback + SEGMENT
        rows = self.rows[shift:].unfold(0, length, SEGMENT).transpose(1, 2)
        return rows, self.real[shift:].unfold(0, length, SEGMENT)


@dataclass(slots=True)
class _State:
    """What a training run is at the end of an epoch; all of it is in the checkpoint."""

    network: SequenceNetwork
    optimizer: torch.optim.Adam
    best: dict[str, Tensor]
    epoch: int
    stale: int
    losses: list[float]

    @classmethod
    def start(cls, features: int, settings: TrainingSettings, device: torch.device) -> _State:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = NETWORKS[settings.network](features, settings.lookback).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=settings.rate, foreach=True)
        return cls(network, optimizer, _copy(network), 0, 0, [])

    def judge(self, loss: float) -> None:
        """Close the epoch with its held-out loss; the best weights are kept."""
        if not self.losses or loss < min(self.losses) * (1 - 1e-4):
            self.best, self.stale = _copy(self.network), 0
        else:
            self.stale += 1
        self.losses.append(loss)
        self.epoch += 1

    def write(self, path: Path, settings: TrainingSettings) -> None:
        """Write beside and rename, so that a crash leaves the epoch before."""
        tensors = {f"best.{name}": value for name, value in self.best.items()}
        for name, parameter in self.network.named_parameters():
            tensors[f"now.{name}"] = parameter.detach()
            held = self.optimizer.state[parameter]
            tensors[f"first.{name}"], tensors[f"second.{name}"] = held["exp_avg"], held["exp_avg_sq"]
            tensors[f"step.{name}"] = torch.as_tensor(held["step"])
        progress = {"epoch": self.epoch, "stale": self.stale, "losses": self.losses}
        notes = {"format": CHECKPOINT_FORMAT, "settings": _identity(settings), "progress": json.dumps(progress)}
        beside = path.with_name(path.name + ".part")
        save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, beside, notes)
        beside.replace(path)

    def resume(self, path: Path, settings: TrainingSettings) -> None:
        """Go on from a checkpoint. Raises ModelFileError if it is damaged or of other settings."""
        try:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
                if notes.get("format") != CHECKPOINT_FORMAT or notes.get("settings") != _identity(settings):
                    raise ModelFileError(f"{path.name} is the checkpoint of another training")
                progress = json.loads(notes["progress"])
                self._restore({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelFileError(f"{path.name} cannot be read as a checkpoint: {error}") from error
        self.epoch, self.stale, self.losses = progress["epoch"], progress["stale"], progress["losses"]

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        device = next(self.network.parameters()).device
        for name, parameter in self.network.named_parameters():
            parameter.data.copy_(tensors[f"now.{name}"])
            self.optimizer.state[parameter] = {
                "step": tensors[f"step.{name}"],
                "exp_avg": tensors[f"first.{name}"].to(device),
                "exp_avg_sq": tensors[f"second.{name}"].to(device),
            }
        self.best = {name: tensors[f"best.{name}"].to(device) for name in self.best}


def _run_epoch(state: _State, segments: _Segments, settings: TrainingSettings, device: torch.device) -> None:
    """One pass over the rows, cut at an offset and in an order of the epoch's own (so a resumed run repeats)."""
    rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + state.epoch)
    shift = int(torch.randint(SEGMENT, (1,), generator=rng))
    rows, real = segments.views(shift)
    order = torch.randperm(len(rows), generator=rng).to(device)
    batches = torch.split(order, max(1, settings.batch // SEGMENT))
    state.network.train()
    for place, chosen in enumerate(batches):
        _set_rate(state.optimizer, settings, state.epoch + place / len(batches))
        state.optimizer.zero_grad(set_to_none=True)
        with _precision(device):
            loss = state.network.loss(rows[chosen], real[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
        state.optimizer.step()


@torch.no_grad()
def _held_out_loss(
    network: SequenceNetwork, judged: _Segments, settings: TrainingSettings, device: torch.device
) -> float:
    network.eval()
    rows, real = judged.views(0)
    total = torch.zeros((), device=device)
    weight = torch.zeros((), device=device)
    for chosen in torch.split(torch.arange(len(rows), device=device), max(1, CHUNK // SEGMENT // 4)):
        counted = real[chosen][:, network.lookback :].sum()
        with _precision(device):
            total += network.loss(rows[chosen], real[chosen]) * counted
        weight += counted
    return float(total / weight.clamp(min=1.0))


def _set_rate(optimizer: torch.optim.Adam, settings: TrainingSettings, epoch: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = settings.rate * 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))


def _precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where a GPU multiplies it faster; full precision on a CPU."""
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


def _identity(settings: TrainingSettings) -> str:
    return json.dumps({name: value for name, value in asdict(settings).items() if name != "device"}, sort_keys=True)


def _copy(network: SequenceNetwork) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
