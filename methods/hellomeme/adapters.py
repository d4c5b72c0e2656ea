"""The adapters that sit at the UNets' blocks: one knits the reference image in, one knits frames together in time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from torch import Tensor, nn

from .architecture import TIME_WIDTH
from .layers import attention, feed_forward, from_rows, silent_convolution, split_first, to_rows

REFERENCE_LENGTH = 128
"""Longest row or column with its reference: twice the finest map's side."""
MOTION_LENGTH = 154
"""Longest run of frames with its pads."""


class ReferenceKnit(nn.Module):
    """Lets each row, then each column of a map attend to itself and to the reference's.

    Each attention replaces what it was given: there is no path around it but the last sum.

    Args:
        channels: Channels of the feature maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pos_embed = SinusoidalPositionalEmbedding(channels, max_seq_length=REFERENCE_LENGTH)
        self.attn1 = attention(channels)
        self.attn2 = attention(channels)
        self.norm = nn.LayerNorm(channels)
        self.proj = silent_convolution(channels)

    def forward(self, maps: Tensor, reference: Tensor) -> Tensor:
        """Add what the reference says.

        Args:
            maps: Shape (B F, C, h, w): the frames of B batch entries, one entry after the other.
            reference: One map per batch entry, shape (B, C, h, w).

        Returns:
            Shape of ``maps``.
        """
        reference = reference.repeat_interleave(len(maps) // len(reference), dim=0)
        across = self._attend(self.attn1, maps, reference)
        down = self._attend(self.attn2, across.mT, reference.mT).mT
        said: Tensor = self.proj(down.contiguous())
        return maps + said

    def _attend(self, layer: nn.Module, maps: Tensor, reference: Tensor) -> Tensor:
        """Attention along rows that begin with the map's cells and go on with the reference's."""
        rows = to_rows(torch.cat([maps, reference], dim=-1))
        attended = from_rows(layer(self.norm(self.pos_embed(rows))), len(maps))
        return attended[..., : maps.shape[-1]]


class ReferenceAdapter(nn.Module):
    """A knit before each up block.

    Args:
        up_channels: Channels there.
    """

    def __init__(self, up_channels: Sequence[int]) -> None:
        super().__init__()
        self.reference_modules_up = nn.ModuleList(ReferenceKnit(channels) for channels in up_channels)


class MotionKnit(nn.Module):
    """Lets each pixel attend over the frames of a window, with one known frame before it and one behind.

    Args:
        channels: Channels of the feature maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pos_embed_t = SinusoidalPositionalEmbedding(channels, max_seq_length=MOTION_LENGTH)
        self.time_emb_proj = nn.Linear(TIME_WIDTH, channels)
        self.temp_attn = attention(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.ff = feed_forward(channels)
        self.proj = silent_convolution(channels)

    def forward(self, maps: Tensor, pads: Tensor, time: Tensor) -> Tensor:
        """Add what the neighbours in time say.

        Args:
            maps: Shape (B F, C, h, w).
            pads: The frame before the window and the one behind it, shape (B, 2, C, h, w).
            time: The UNet's time embedding as it is, without an activation, shape (B F, 1280).

        Returns:
            Shape of ``maps``.
        """
        batch = len(pads)
        window = torch.cat([pads[:, :1], split_first(maps, batch, -1), pads[:, 1:]], dim=1)
        shift = split_first(self.time_emb_proj(time), batch, -1)[:, :1]
        sequences = (window + shift[..., None, None]).movedim((1, 2), (3, 4))  # (B, h, w, F + 2, C)
        flat = self.ff(self.temp_attn(self.norm(self.pos_embed_t(sequences.flatten(0, 2)))))
        inner = split_first(flat, *sequences.shape[:3])[:, :, :, 1:-1]
        said: Tensor = self.proj(inner.movedim((3, 4), (1, 2)).flatten(0, 1))
        return maps + said


class MotionKnits(nn.Module):
    """A knit after each down block and before each up block.

    Args:
        down_channels: Channels after the down blocks.
        up_channels: Channels before the up blocks.
    """

    def __init__(self, down_channels: Sequence[int], up_channels: Sequence[int]) -> None:
        super().__init__()
        self.motion_down = nn.ModuleList(MotionKnit(channels) for channels in down_channels)
        self.motion_up = nn.ModuleList(MotionKnit(channels) for channels in up_channels)
