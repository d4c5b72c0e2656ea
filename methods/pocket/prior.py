"""How far to trust the warp: for every latent cell a first guess at the output, and how uncertain it is.

Most of what a warp gets wrong lies in a tenth of the cells (mouth, hair, the face's outline). A denoiser that is told
which ones need not learn to leave the others alone.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.checkpoints import load_packaged
from .autoencoder import CHANNELS
from .motion import SCALARS

WEIGHTS = Path(__file__).parent / "weights" / "prior.safetensors"
LOG_VARIANCE = (-6.0, 1.5)
"""Bounds on what is said of a cell: never quite certain, never worse than knowing nothing."""


class WarpPrior(nn.Module):
    """Mean and variance of clean latents given the warped identity's; 0.05 million parameters, 13 cells wide."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(CHANNELS + SCALARS + 2, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.SiLU(),
            nn.Conv2d(width, 2 * CHANNELS, 3, padding=1),
        )
        last = self.layers[-1]
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, identity: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
        """Judge a warp.

        Args:
            identity: Latents of the warped identity image, shape (N, 8, h, w).
            driving: From :func:`.motion.scalars`, shape (N, 16).

        Returns:
            Mean and variance, each of shape (N, 8, h, w).
        """
        count, _, height, width = identity.shape
        down, across = (torch.linspace(-1, 1, side, device=identity.device) for side in (height, width))
        place = torch.stack(torch.meshgrid(down, across, indexing="ij")).expand(count, -1, -1, -1)
        facts = driving[:, :, None, None].expand(-1, -1, height, width)
        shift, logarithm = self.layers(torch.cat([identity, facts, place], dim=1)).chunk(2, dim=1)
        low, high = LOG_VARIANCE
        middle, half = (high + low) / 2, (high - low) / 2
        return identity + shift, (middle + half * torch.tanh((logarithm - middle) / half)).exp()


def surprise(mean: Tensor, variance: Tensor, clean: Tensor) -> Tensor:
    """Negative logarithm of a normal density without its constant, a mean over all cells."""
    return F.gaussian_nll_loss(mean, clean, variance, eps=1e-6)


def load_prior(path: Path = WEIGHTS, device: str = "cpu") -> WarpPrior:
    """Build the network and fill it strictly, in float32, for evaluation.

    Raises:
        WeightsError: When the file is missing, damaged or of another model.
    """
    return load_packaged(WarpPrior(), path, "method pocket").to(device)
