"""Steps of gradient descent on a GPU: recorded once as a CUDA graph and replayed, in mixed precision.

A network this small asks the GPU for a hundred kernels of a few microseconds each. Started one by one from Python
they leave the GPU idle most of the time; as one graph they start together.

Source: the PyTorch manual, "CUDA graphs", for what may be recorded and how a step is warmed up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

_WARM_UPS = 3


def record(
    step: Callable[..., None], *examples: Tensor, network: nn.Module, optimizer: torch.optim.Adam
) -> Callable[..., None]:
    """The step as one CUDA graph.

    examples: tensors on the GPU of the shapes that the step is called with ever after.
    network, optimizer: what the step changes; both are as before when this returns.
    """
    before = {name: value.detach().clone() for name, value in network.state_dict().items()}
    held = [example.clone() for example in examples]
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(_WARM_UPS):
            step(*held)
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(*held)
    network.load_state_dict(before)
    for moments in optimizer.state.values():
        for value in moments.values():
            value.zero_()

    def replay(*given: Tensor) -> None:
        for place, fresh in zip(held, given, strict=True):
            place.copy_(fresh)
        graph.replay()

    return replay


def adam(parameters: Iterable[nn.Parameter], rate: float, device: torch.device) -> torch.optim.Adam:
    """Adam on all parameters at once; on a GPU its rate and its count of steps live there, so it can be recorded."""
    if device.type != "cuda":
        return torch.optim.Adam(parameters, lr=rate, foreach=True)
    return torch.optim.Adam(parameters, lr=torch.tensor(rate, device=device), foreach=True, capturable=True)


def set_rate(optimizer: torch.optim.Adam, rate: float) -> None:
    """Change the learning rate, in place where a recorded step reads it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where a GPU multiplies it faster; full precision on a CPU.

    Weights are cast at each use, not once: a cast kept from outside a recorded step would never see them change.
    """
    if device.type != "cuda":
        return nullcontext()
    return torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False)
