"""diffusers' tiled decoding of whole frames: overlapping tiles decoded one after another, their seams blended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

_STATE = ("use_tiling", "tile_latent_min_size", "tile_sample_min_size")


@contextmanager
def tiled(codec: Any, cells: int, stride: int) -> Iterator[None]:
    """Have an ``AutoencoderKL`` decode in tiles within the block; it is as it was afterwards.

    Args:
        codec: The autoencoder. Tiles overlap by its own share, a quarter of their side.
        cells: Side of a tile, in latent cells. Frames that are no larger are decoded whole by diffusers.
        stride: Pixels per latent cell.
    """
    before = {name: getattr(codec, name) for name in _STATE}
    try:
        codec.enable_tiling()
        codec.tile_latent_min_size, codec.tile_sample_min_size = cells, stride * cells
        yield
    finally:
        for name, value in before.items():
            setattr(codec, name, value)


def tile_side(latents: Tensor) -> int:
    """Side of a tile in cells for latents of whole frames: half of the longer side.

    diffusers' own 64 cells would be the whole frame of 512 pixels, and nothing would be tiled.
    """
    return -(-max(latents.shape[2:]) // 2)
