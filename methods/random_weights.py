"""Random weights for networks of any size, to measure what they cost; nothing they answer means anything."""

from __future__ import annotations

import math
from typing import NoReturn

import torch
from torch import nn


@torch.no_grad()
def draw_weights(module: nn.Module, random: torch.Generator) -> None:
    """Give a module memory on the generator's device, and weights that keep the size of signals."""
    module.to_empty(device=random.device)
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            inputs = parameter.numel() // len(parameter)
            parameter.normal_(std=1 / math.sqrt(inputs), generator=random)
        else:
            parameter.fill_(float(name.endswith("weight")))  # norms and biases that do nothing
    for buffer in module.buffers():
        buffer.uniform_(-1, 1, generator=random)


def absent(*_: object) -> NoReturn:
    """Stands for what was left out."""
    raise RuntimeError("only what tuning touches was made")


def resident_bytes(module: nn.Module) -> int:
    """Bytes of a module's weights that are in memory."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.nbytes for tensor in tensors if not tensor.is_meta)
