"""Weights made from names, so that two builds with equal keys have equal weights without sharing a file."""

from __future__ import annotations

import math
import zlib
from functools import cache

import numpy as np
import torch
from torch import nn

KEPT = ("pe", "num_batches_tracked", "position_ids")


@cache
def _drawn(label: str, shape: tuple[int, ...]) -> torch.Tensor:
    stream = np.random.RandomState(zlib.crc32(label.encode()) & 0x7FFFFFFF)
    return torch.from_numpy(stream.standard_normal(shape).astype(np.float32))


def normal(label: str, *shape: int) -> torch.Tensor:
    """Standard normal numbers from NumPy's frozen stream, the same for the same label everywhere."""
    return _drawn(label, shape).clone()


@torch.no_grad()
def fill(module: nn.Module, prefix: str) -> nn.Module:
    """Fill each parameter and buffer by its key: projections keep the variance, norms stay near the identity."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        leaf = name.rpartition(".")[2]
        if leaf in KEPT:
            continue
        # transformers 5 dropped "text_model." from the keys of text encoders
        values = _drawn(prefix + name.removeprefix("text_model."), tuple(tensor.shape))
        if leaf == "running_var":
            values = 1 + 0.1 * values.abs()
        elif leaf == "running_mean":
            values = 0.1 * values
        elif tensor.ndim == 1:
            values = 1 + 0.1 * values if leaf == "weight" else 0.05 * values
        else:
            values = values / math.sqrt(tensor.numel() / tensor.shape[0])
        tensor.copy_(values)
    return module.eval()
