"""What ``bench profile decoding`` decodes: a decoder, latents, and six patches on a real render's landmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.errors import ConfigError
from ..methods.strucbooth.patches import Decode, Patch
from ..methods.tiling import tile_side, tiled
from .faces import SOURCE, face_patches, face_render


@dataclass(frozen=True, eq=False)
class Subject:
    """What is profiled.

    Attributes:
        decode: The decoder, with frozen weights, in float32.
        stride: Pixels per latent cell.
        latents: Latents of one frame, shape (1, C, size / stride, size / stride).
        patches: The six regions, with the driver's gradients.
        weights: Kind of the weights.
        parameters: Number of the decoder's parameters.
        landmarks: Source of the landmarks that place the patches.
        decode_tiled: Whole frames by the decoder's own tiles; None where it has none.
        tile: Side of such a tile, in latent cells.
    """

    decode: Decode
    stride: int
    latents: Tensor
    patches: list[Patch]
    weights: str
    parameters: int
    landmarks: str = SOURCE
    decode_tiled: Decode | None = None
    tile: int = 0

    @property
    def covered(self) -> float:
        """Share of the frame that the patches cover together; where two overlap, it counts once."""
        inside = torch.zeros(self.latents.shape[2:], dtype=torch.bool)
        for patch in self.patches:
            inside[patch.cells.top : patch.cells.bottom, patch.cells.left : patch.cells.right] = True
        return float(inside.float().mean())


def make_subject(generator: str, size: int, device: torch.device, seed: int) -> Subject:
    """Build a decoder and what one tuning step decodes with it.

    Args:
        generator: "pocket" or "sd15".
        size: Frame side in pixels.
        device: Device that the decoder runs on.
        seed: Seed of random weights and latents.

    Raises:
        ConfigError: When the size does not fit the decoder.
    """
    return BUILDERS[generator](size, device, seed)


def _pocket(size: int, device: torch.device, seed: int) -> Subject:  # noqa: ARG001 - nothing of it is random
    """The embedded generator's decoder with its packaged weights, on the latents of a render."""
    from ..methods.pocket.autoencoder import STRIDE, load_autoencoder

    _check_size(size, STRIDE)
    model = load_autoencoder(device=str(device)).requires_grad_(False)
    with torch.no_grad():
        latents = model.encode(face_render(size).to(device))
    parameters = _count(model.expand) + _count(model.refine_out)
    return Subject(model.decode, STRIDE, latents, face_patches(size, STRIDE, device), "packaged, trained", parameters)


def _sd15(size: int, device: torch.device, seed: int) -> Subject:
    """A decoder of Stable Diffusion 1.5's architecture and size, with random weights on random latents."""
    from diffusers import AutoencoderKL

    stride = 8
    _check_size(size, stride)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        )
        latents = torch.randn(1, 4, size // stride, size // stride).to(device)
    model = model.to(device).eval().requires_grad_(False)

    def decode(given: Tensor) -> Tensor:
        frames: Tensor = model.decode(given / model.config.scaling_factor).sample
        return frames

    tile = tile_side(latents)

    def decode_tiled(given: Tensor) -> Tensor:
        with tiled(model, tile, stride):
            return decode(given)

    return Subject(
        decode,
        stride,
        latents,
        face_patches(size, stride, device),
        f"random weights, seed {seed}",
        _count(model.decoder) + _count(model.post_quant_conv),
        decode_tiled=decode_tiled,
        tile=tile,
    )


def _check_size(size: int, stride: int) -> None:
    if size <= 0 or size % stride:
        raise ConfigError(f"--size {size}: must be a multiple of {stride}, the pixels per latent cell")


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


BUILDERS: Mapping[str, Callable[[int, torch.device, int], Subject]] = {"pocket": _pocket, "sd15": _sd15}
SIZES: Mapping[str, int] = {"pocket": 128, "sd15": 512}
"""Frame side of each generator, in pixels."""
