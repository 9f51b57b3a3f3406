"""Training and running the sequence networks: one code for CPU and GPU, memory bounded whatever the length.

The series stays in the host's memory; blocks of its segments, gathered from strided views, go to the device, so
that no row is copied by Python and no length fills a GPU. Scaling and the span that judges are the caller's
(`sequence_members`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad

from detectors.anomalies.sequence_models import NETWORKS, SequenceNetwork
from detectors.anomalies.sequence_recording import adam, precision, record, set_rate
from detectors.contract import ModelFileError

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

CHECKPOINT_FORMAT = "crmquality sequence checkpoint 1"
SEGMENT = 64
"""Rows answered for by one segment in training."""

CHUNK = 65_536
"""Rows on the device at once, in training and in inference."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a network is trained.

    network: "cnn" or "lstm". lookback: rows before the judged one. epochs: at most.
    batch: rows answered for in one step. rate: Adam's at its peak; it falls to 0 along a cosine.
    patience: epochs without a better held-out loss before training stops.
    device: "cpu", "cuda" or "auto". recorded: on a GPU, a step is recorded once and replayed (`sequence_recording`).
    """

    network: str = "cnn"
    lookback: int = 10
    epochs: int = 30
    batch: int = 2048
    rate: float = 4e-3
    patience: int = 5
    seed: int = 0
    device: str = "auto"
    recorded: bool = True


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
    segments, judged = (_Segments.of(*span, settings.lookback) for span in ((rows, real), held_out))
    state = _State.start(rows.shape[1], settings, device)
    if checkpoint is not None and checkpoint.exists():
        state.resume(checkpoint, settings)
    while state.epoch < settings.epochs and state.stale < settings.patience:
        _run_epoch(state, segments, settings, device)
        state.judge(_held_out_loss(state.network, judged, device))
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
        with precision(device):
            answer = network.residuals(segment)
        parts.append(answer.squeeze(0).float().cpu().numpy().astype(np.float64))
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class _Segments:
    """A padded series in the host's memory, cut into segments of lookback + SEGMENT rows as strided views."""

    rows: Tensor
    real: Tensor
    lookback: int

    @classmethod
    def of(cls, rows: Singles, real: Flags, lookback: int) -> _Segments:
        if len(rows) < lookback + 1:
            raise ValueError(f"{len(rows)} rows are too few for a lookback of {lookback}")
        short = lookback + SEGMENT + (-len(rows)) % SEGMENT
        padded = np.pad(rows, ((lookback, short - lookback), (0, 0)))
        mask = np.pad(real.astype(np.float32), (lookback, short - lookback))
        return cls(torch.from_numpy(padded), torch.from_numpy(mask), lookback)

    def count(self, shift: int) -> int:
        """How many segments start at `shift`, `shift` + SEGMENT, ..."""
        return (len(self.rows) - shift - self.lookback - SEGMENT) // SEGMENT + 1

    def batches(self, order: Tensor, size: int, shift: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows (size, length, features) and masks (size, length) of the segments in this order, on the device.

        They get there in blocks of about CHUNK rows. What the last batch lacks is blank and masked out.
        """
        length = self.lookback + SEGMENT
        rows = self.rows[shift:].unfold(0, length, SEGMENT).transpose(1, 2)
        real = self.real[shift:].unfold(0, length, SEGMENT)
        for chosen in torch.split(order, max(1, CHUNK // SEGMENT // size) * size):
            block = rows[chosen].to(device), real[chosen].to(device)
            for some_rows, some_real in zip(*(torch.split(part, size) for part in block), strict=True):
                lacking = size - len(some_rows)
                yield pad(some_rows, (0, 0, 0, 0, 0, lacking)), pad(some_real, (0, 0, 0, lacking))


@dataclass(slots=True)
class _State:
    """What a training run is at the end of an epoch; all of it is in the checkpoint."""

    network: SequenceNetwork
    optimizer: torch.optim.Adam
    step: Callable[[Tensor, Tensor], None]
    best: dict[str, Tensor]
    epoch: int = 0
    stale: int = 0
    losses: list[float] = field(default_factory=list)

    @classmethod
    def start(cls, features: int, settings: TrainingSettings, device: torch.device) -> _State:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = NETWORKS[settings.network](features, settings.lookback).to(device)
        network.train()
        optimizer = adam(network.parameters(), settings.rate, device)
        step = _stepper(network, optimizer, device)
        if device.type == "cuda" and settings.recorded:
            shape = (_segments_a_batch(settings), settings.lookback + SEGMENT)
            examples = torch.zeros(*shape, features, device=device), torch.ones(*shape, device=device)
            step = record(step, *examples, network=network, optimizer=optimizer)
        return cls(network, optimizer, step, _copy(network))

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
            saved = {"step": "step", "exp_avg": "first", "exp_avg_sq": "second"}
            held = self.optimizer.state[parameter]
            for what, prefix in saved.items():
                # A recorded step reads the tensors that it was recorded with, so these are written to, not replaced.
                if what in held:
                    held[what].copy_(tensors[f"{prefix}.{name}"])
                else:
                    held[what] = tensors[f"{prefix}.{name}"].to("cpu" if what == "step" else device)
        self.best = {name: tensors[f"best.{name}"].to(device) for name in self.best}


def _run_epoch(state: _State, segments: _Segments, settings: TrainingSettings, device: torch.device) -> None:
    """One pass over the rows, cut at an offset and in an order of the epoch's own (so a resumed run repeats)."""
    rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + state.epoch)
    shift = int(torch.randint(SEGMENT, (1,), generator=rng))
    order = torch.randperm(segments.count(shift), generator=rng)
    size = _segments_a_batch(settings)
    steps = math.ceil(len(order) / size)
    state.network.train()
    for place, (rows, real) in enumerate(segments.batches(order, size, shift, device)):
        set_rate(state.optimizer, _rate(settings, state.epoch + place / steps))
        state.step(rows, real)


def _stepper(
    network: SequenceNetwork, optimizer: torch.optim.Adam, device: torch.device
) -> Callable[[Tensor, Tensor], None]:
    """One step of gradient descent on a batch of rows and their mask."""

    def step(rows: Tensor, real: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        with precision(device):
            loss = network.loss(rows, real)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    return step


@torch.no_grad()
def _held_out_loss(network: SequenceNetwork, judged: _Segments, device: torch.device) -> float:
    network.eval()
    total, weight = torch.zeros((), device=device), torch.zeros((), device=device)
    for rows, real in judged.batches(torch.arange(judged.count(0)), CHUNK // SEGMENT // 4, 0, device):
        counted = real[:, network.lookback :].sum()
        with precision(device):
            total += network.loss(rows, real) * counted
        weight += counted
    return float(total / weight.clamp(min=1.0))


def _segments_a_batch(settings: TrainingSettings) -> int:
    return max(1, settings.batch // SEGMENT)


def _rate(settings: TrainingSettings, epoch: float) -> float:
    return settings.rate * 0.5 * (1 + math.cos(math.pi * epoch / settings.epochs))


def _identity(settings: TrainingSettings) -> str:
    """What a checkpoint must agree with: all that changes the result, so not where it is reckoned."""
    kept = {name: value for name, value in asdict(settings).items() if name not in {"device", "recorded"}}
    return json.dumps(kept, sort_keys=True)


def _copy(network: SequenceNetwork) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
