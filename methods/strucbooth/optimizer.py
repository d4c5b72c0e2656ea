"""The optimizer of a tuning."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def make_optimizer(parameters: Iterable[torch.nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """AdamW at a constant rate, all adapters in one fused call instead of ten small ones for each of them."""
    return torch.optim.AdamW(parameters, lr=rate, fused=True)
