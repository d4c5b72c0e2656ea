"""Our networks at a small size with random numbers everywhere, and a generator around them."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from portraitbench.methods.base import MethodContext
from portraitbench.methods.hunyuanportrait.architecture import Architecture
from portraitbench.methods.hunyuanportrait.dry_run import PixelIdentity, build
from portraitbench.methods.hunyuanportrait.generator import HunyuanPortrait

SMALL = Architecture(
    channels=(32, 64, 96, 96),
    heads=(1, 2, 3, 3),
    width=48,
    time_width=16,
    side=64,
    codec_channels=(32, 32, 32, 32),
    codec_layers=1,
    pose_channels=(8, 8, 8, 8),
    appearance_heads=4,
    adapter_width=64,
)
"""Other sizes than random-tiny's, with all layers and adapters of the real one."""


def fill(module, seed=0, scale=0.05):
    """Random numbers of a fixed seed everywhere, also where torch begins with zeros or ones."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=random, dtype=torch.float64)
            if name.endswith("running_var"):
                tensor.copy_(1 + 0.3 * noise.abs())
            elif tensor.ndim >= 2:
                tensor.copy_(noise / math.sqrt(tensor[0].numel()))
            elif any(word in name for word in ("norm", ".gn", ".bn", "gamma")):
                tensor.copy_((0.0 if name.endswith("bias") else 1.0) + 4 * scale * noise)
            else:
                tensor.copy_(scale * noise)
    return module.eval()


def networks():
    """All of them, in float32 on the CPU, filled."""
    made = build(SMALL, PixelIdentity())
    for row, module in enumerate(made.modules().values()):
        fill(module, row)
    made.settle("cpu", torch.float32)
    return made


def generator(made, **options):
    """A generator around some networks."""
    own = HunyuanPortrait({"weights": "random-tiny"} | options, MethodContext(lambda: None, device="cpu", cache=Path()))
    own.__dict__["_networks"] = made
    return own


def draw(seed, *shape):
    """Standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
