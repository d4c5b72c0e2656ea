"""Frames as tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from ...datasets.clip import Clip


def as_tensor(clip: Clip) -> Tensor:
    """RGB frames in [-1, 1], float32 on the CPU, shape (T, 3, H, W)."""
    return torch.tensor(clip.frames).permute(0, 3, 1, 2).float() / 127.5 - 1
