"""The control network: from a heat map of the head's pose and an expression code to maps at the UNet's blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from diffusers.models.embeddings import SinusoidalPositionalEmbedding, TimestepEmbedding, Timesteps
from torch import Tensor, nn
from torch.nn import functional as F

from .feature_maps import Maps
from .layers import attention, feed_forward, from_rows, silent_convolution, split_first, to_rows

TOKEN = 320
CLIP_WIDTH = 1024
CODE_GAIN, COEFFICIENT_GAIN = 20.0, 500.0
"""PD-FGC's code and ARKit's coefficients are multiplied by these before they become sinusoids."""
HEAT_MAP_STRIDE = 4
"""Pixels of the heat map per cell of the first layer."""
ROW_LENGTH, TOKEN_COUNT = 64, 1024


class Halving(nn.Module):
    """A residual unit that halves the resolution, with instance normalisation, which has no weights.

    Args:
        before: Channels it is given.
        after: Channels it answers.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        """From (N, before, h, w) to (N, after, h / 2, w / 2)."""
        straight = F.instance_norm(self.conv2(F.relu(F.instance_norm(self.conv1(maps)))))
        shortcut = F.silu(F.instance_norm(self.downsample(maps)))
        return F.relu(straight + shortcut)


class ControlBlock(nn.Module):
    """Halves the map, then lets its rows and its columns read the expression tokens.

    No part has a path around it: each result replaces what it was made of.

    Args:
        before: Channels it is given.
        after: Channels it answers.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = Halving(before, after)
        self.pos_embed = SinusoidalPositionalEmbedding(after, max_seq_length=ROW_LENGTH)
        self.pos_embed_hidden = SinusoidalPositionalEmbedding(TOKEN, max_seq_length=TOKEN_COUNT)
        self.norm1 = nn.LayerNorm(after)
        self.attn1 = attention(after, TOKEN)
        self.norm2 = nn.LayerNorm(after)
        self.attn2 = attention(after, TOKEN)
        self.ff = feed_forward(after)
        self.proj = silent_convolution(after)

    def forward(self, maps: Tensor, tokens: Tensor) -> Tensor:
        """From (N, before, h, w) to (N, after, h / 2, w / 2).

        Args:
            maps: One per frame.
            tokens: Each frame's tokens, shape (N, K, 320).
        """
        maps, tokens = self.conv(maps), self.pos_embed_hidden(tokens)
        rows = self.norm1(self.pos_embed(to_rows(maps)))
        maps = from_rows(self.attn1(rows, _for_each(tokens, maps.shape[2])), len(maps))
        columns = self.norm2(self.pos_embed(to_rows(maps.mT)))
        mixed = self.ff(self.attn2(columns, _for_each(tokens, maps.shape[3])))
        projected: Tensor = self.proj(from_rows(mixed, len(maps)).mT)
        return projected


class ControlNetwork(nn.Module):
    """Pose and expression encoder of both kinds of control.

    Args:
        channels: Channels of the first layer and the four blocks.
        unet_channels: Channels of the UNet's levels; the first two need a projection of their own.
    """

    def __init__(self, channels: Sequence[int], unet_channels: Sequence[int]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1, bias=False)
        self.conv_up2_down0 = nn.Conv2d(channels[2], unet_channels[0], 1, bias=False)
        self.conv_up1_down1 = nn.Conv2d(channels[3], unet_channels[1], 1, bias=False)
        self.sinusoid = Timesteps(TOKEN, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.emo_proj = TimestepEmbedding(TOKEN, TOKEN)
        self.exp_proj = TimestepEmbedding(TOKEN, TOKEN)
        self.face_proj = TimestepEmbedding(CLIP_WIDTH, TOKEN)
        pairs = pairwise(channels)
        self.blocks_down = nn.ModuleList(ControlBlock(before, after) for before, after in pairs)

    def code_tokens(self, code: Tensor) -> Tensor:
        """Tokens of PD-FGC codes (CNTRL2): (N, 548) to (N, 548, 320)."""
        tokens: Tensor = self.emo_proj(self._sinusoids(code, CODE_GAIN))
        return tokens

    def coefficient_tokens(self, coefficients: Tensor, parts: Tensor) -> Tensor:
        """Tokens of ARKit coefficients (N, K) and CLIP embeddings (N, 3, 1024) (CNTRL1): (N, 3 + K, 320)."""
        scalars = self._sinusoids(coefficients, COEFFICIENT_GAIN)
        tokens: Tensor = self.exp_proj(torch.cat([self.face_proj(parts), scalars], dim=1))
        return tokens

    def forward(self, condition: Tensor, tokens: Tensor) -> Maps:
        """Compute the maps that are added at the UNet's blocks.

        Args:
            condition: Heat maps in [-1, 1], shape (N, 3, S, S), S at least 128.
            tokens: From :meth:`code_tokens` or :meth:`coefficient_tokens`, shape (N, K, 320).

        Returns:
            One map per block and frame, shape (N, C, h, w).
        """
        size = [side // HEAT_MAP_STRIDE for side in condition.shape[2:]]
        maps = self.conv_in(F.interpolate(condition, size, mode="bilinear", align_corners=False))
        fine_first = []
        for block in self.blocks_down:
            maps = block(maps, tokens)
            fine_first.append(maps)
        coarsest = fine_first[3]
        down = (self.conv_up2_down0(fine_first[1]), self.conv_up1_down1(fine_first[2]), coarsest, coarsest)
        return Maps(down, tuple(reversed(fine_first)))

    def _sinusoids(self, numbers: Tensor, gain: float) -> Tensor:
        """Each number as a token: (N, K) to (N, K, 320). Made in float32, for their angles are large."""
        tokens: Tensor = self.sinusoid((numbers.float() * gain).flatten())
        return split_first(tokens.to(self.conv_in.weight.dtype), *numbers.shape)


def _for_each(tokens: Tensor, lines: int) -> Tensor:
    """Each frame's tokens for each of its rows or columns."""
    return tokens.repeat_interleave(lines, dim=0)
