"""Pixel-shuffle autoencoder: 4 x 4 patches to 8 channels and back, a principal-component map plus a small correction.

No normalisation and no attention: what a latent cell decodes to depends on about nine cells around it and on nothing
else, so a patch decoded alone differs from the full decode only near its edge.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.checkpoints import load_packaged

STRIDE = 4
CHANNELS = 8
WEIGHTS = Path(__file__).parent / "weights" / "autoencoder.safetensors"

_PIXELS = 3 * STRIDE * STRIDE


class Block(nn.Module):
    """Two 3 x 3 convolutions on a residual path."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape in and out."""
        out: Tensor = x + self.second(F.silu(self.first(F.silu(x))))
        return out


class PocketAutoencoder(nn.Module):
    """Frames in [-1, 1], (N, 3, H, W), to standardised latents (N, 8, H/4, W/4) and back; H and W multiples of 4."""

    mean: Tensor
    std: Tensor

    def __init__(self, narrow: int = 48, wide: int = 64) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(_PIXELS, CHANNELS, 1)
        self.expand = nn.Conv2d(CHANNELS, _PIXELS, 1)
        self.refine_in = nn.Sequential(
            nn.Conv2d(_PIXELS, narrow, 3, padding=1), Block(narrow), nn.Conv2d(narrow, CHANNELS, 3, padding=1)
        )
        self.refine_out = nn.Sequential(
            nn.Conv2d(CHANNELS, wide, 3, padding=1),
            *(Block(wide) for _ in range(3)),
            nn.Conv2d(wide, _PIXELS, 3, padding=1),
        )
        for last in (self.refine_in[-1], self.refine_out[-1]):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("std", torch.ones(CHANNELS))

    def encode(self, frames: Tensor) -> Tensor:
        """Latents with mean 0 and deviation 1 per channel over the training set."""
        return (self.encode_raw(frames) - self.mean[:, None, None]) / self.std[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """Frames, not clipped; any crop of latents will do."""
        return self.decode_raw(latents * self.std[:, None, None] + self.mean[:, None, None])

    def encode_raw(self, frames: Tensor) -> Tensor:
        """Latents before standardisation."""
        patches = F.pixel_unshuffle(frames, STRIDE)
        latents: Tensor = self.squeeze(patches) + self.refine_in(patches)
        return latents

    def decode_raw(self, latents: Tensor) -> Tensor:
        """Frames of latents before standardisation."""
        return F.pixel_shuffle(self.expand(latents) + self.refine_out(latents), STRIDE)

    @torch.no_grad()
    def start_from_components(self, frames: Tensor) -> None:
        """Set the linear maps to the principal components of the frames' patches, whitened.

        Args:
            frames: A sample of the training set in [-1, 1], shape (N, 3, H, W).
        """
        patches = F.pixel_unshuffle(frames, STRIDE).permute(0, 2, 3, 1).reshape(-1, _PIXELS).double()
        mean = patches.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
        top, scale = vectors[:, -CHANNELS:].flip(1), values[-CHANNELS:].flip(0).sqrt()
        squeeze = (top / scale).T
        self.squeeze.weight.copy_(squeeze[:, :, None, None])
        self.squeeze.bias.copy_(-squeeze @ mean)  # type: ignore[union-attr]
        self.expand.weight.copy_((top * scale)[:, :, None, None])
        self.expand.bias.copy_(mean)  # type: ignore[union-attr]


def load_autoencoder(path: Path = WEIGHTS, device: str = "cpu") -> PocketAutoencoder:
    """Build the autoencoder and fill it strictly, in float32, for evaluation.

    Raises:
        WeightsError: When the file is missing, damaged or of another model.
    """
    return load_packaged(PocketAutoencoder(), path, "method pocket").to(device)
