"""The appearance encoder: DINOv2 with registers, told of the identity by adapters; and the pose map's encoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IDENTITY = 512
"""Numbers of an ArcFace embedding."""
PATCH, REGISTERS = 14, 4
PREFIX = 1 + REGISTERS
"""Tokens before those of patches: the class token and the registers."""
GRID = 37
"""Patches on a side that positions were learnt for."""
_PICTURE_PATCHES = 16
_ATTENTION_WIDTH, _ATTENTION_HEADS = 256, 8
_ADAPTER_SHARE = 0.2


class _NormedConvolution(nn.Module):
    """Holds weights of the file that nothing reads."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)


class _IdentityAttention(nn.Module):
    """Attention to a single identity token: its weight is 1 whatever asks, so only the value is computed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(_ATTENTION_WIDTH, _ATTENTION_HEADS)
        self.image_proj = nn.Linear(width, _ATTENTION_WIDTH)  # of the query, which has no say
        self.id_proj = nn.Linear(IDENTITY, _ATTENTION_WIDTH)
        self.back_proj = nn.Linear(_ATTENTION_WIDTH, width)

    def forward(self, identity: Tensor) -> Tensor:
        """Shape (1, 512) to (1, width)."""
        own, first = self.multihead_attn, 2 * _ATTENTION_WIDTH
        value = F.linear(self.id_proj(identity), own.in_proj_weight[first:], own.in_proj_bias[first:])
        said: Tensor = self.back_proj(own.out_proj(value))
        return said


class IdentityAdapter(nn.Module):
    """Adds the identity to the patches beside a block's feed-forward layer.

    Args:
        dim: Width of DINOv2's tokens.
        width: Width inside the adapter.
    """

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        # The three branches only feed the attention's query, which has no say.
        self.branch1 = _NormedConvolution(width, width // 2, 1)
        self.branch2, self.branch3 = (
            nn.Sequential(
                _NormedConvolution(width, width // 16, 1), _NormedConvolution(width // 16, width // 4, kernel)
            )
            for kernel in (3, 5)
        )
        self.D_fc1, self.D_fc2 = nn.Linear(dim, width), nn.Linear(width, dim)
        self.cross_attn = _IdentityAttention(width)

    def forward(self, rows: Tensor, identity: Tensor) -> Tensor:
        """Shape of ``rows``, (1, T, dim)."""
        inner = F.relu(self.D_fc1(rows))
        # Upstream adds the prefix to itself.
        changed = torch.cat([2 * inner[:, :PREFIX], inner[:, PREFIX:] + self.cross_attn(identity)], dim=1)
        said: Tensor = self.D_fc2(changed)
        return said


class _LayerScale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, rows: Tensor) -> Tensor:
        query, key, value = self.qkv(rows).unflatten(-1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        found: Tensor = self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        return found


class VisionBlock(nn.Module):
    """A block of DINOv2; ``adapter_width`` 0 has no adapter."""

    def __init__(self, dim: int, heads: int, adapter_width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn, self.ls1, self.ls2 = _Attention(dim, heads), _LayerScale(dim), _LayerScale(dim)
        self.mlp = nn.Sequential()
        self.mlp.add_module("fc1", nn.Linear(dim, 4 * dim))
        self.mlp.add_module("act", nn.GELU())
        self.mlp.add_module("fc2", nn.Linear(4 * dim, dim))
        self.adapter = IdentityAdapter(dim, adapter_width) if adapter_width else None

    def forward(self, rows: Tensor, identity: Tensor) -> Tensor:
        """Shape of ``rows``."""
        rows = rows + self.ls1.gamma * self.attn(self.norm1(rows))
        normed = self.norm2(rows)
        added = self.mlp(normed)
        if self.adapter is not None:
            added = added + _ADAPTER_SHARE * self.adapter(normed, identity)
        summed: Tensor = rows + self.ls2.gamma * added
        return summed


class AppearanceEncoder(nn.Module):
    """DINOv2 with four registers and identity adapters.

    Args:
        dim: Width of the tokens.
        depth: Blocks.
        heads: Attention heads.
        adapted: Blocks with adapters.
        adapter_width: Width of the adapters.
    """

    def __init__(self, dim: int, depth: int, heads: int, adapted: Sequence[int], adapter_width: int) -> None:
        super().__init__()
        self.cls_token, self.mask_token = nn.Parameter(torch.zeros(1, 1, dim)), nn.Parameter(torch.zeros(1, dim))
        self.register_tokens = nn.Parameter(torch.zeros(1, REGISTERS, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, GRID**2 + 1, dim))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, dim, PATCH, PATCH)
        widths = [adapter_width if row in adapted else 0 for row in range(depth)]
        self.blocks = nn.ModuleList(VisionBlock(dim, heads, width) for width in widths)
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, picture: Tensor, identity: Tensor) -> Tensor:
        """Tokens (1, 261, dim).

        Args:
            picture: Shape (1, 3, 224, 224), ImageNet's mean and deviation taken off.
            identity: ArcFace embedding of length 1, shape (1, 512).
        """
        embedded = self.patch_embed.get_submodule("proj")(picture)
        patches = (embedded + self._positions()).flatten(2).transpose(1, 2)
        first = self.cls_token + self.pos_embed[:, :1]
        rows = torch.cat([first, self.register_tokens, patches], dim=1)
        for block in self.blocks:
            rows = block(rows, identity)
        found: Tensor = self.norm(rows)
        return found

    def _positions(self) -> Tensor:
        """Positions of the picture's patches by DINOv2's first recipe, whose scale is (16 + 0.1) / 37."""
        grid = self.pos_embed[:, 1:].reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
        factor = (_PICTURE_PATCHES + 0.1) / GRID
        return F.interpolate(grid.float(), scale_factor=(factor, factor), mode="bicubic").to(grid.dtype)


class TokenProjection(nn.Linear):
    """261 appearance tokens to 64: a linear layer **over the tokens**, so that its file has bare keys."""

    def __init__(self, tokens: int) -> None:
        super().__init__(PREFIX + _PICTURE_PATCHES**2, tokens)

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (1, 261, dim) to (1, tokens, dim)."""
        return super().forward(rows.transpose(1, 2)).transpose(1, 2)


class PoseEncoder(nn.Module):
    """Convolutions over a pose picture. Upstream only ever shows it black, so its map is a constant of the weights.

    Args:
        outputs: Channels of the map.
        widths: Channels of the encoder's four levels.
    """

    def __init__(self, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for inner, outer in pairwise(widths):
            self.blocks.append(nn.Conv2d(inner, inner, 3, padding=1))
            self.blocks.append(nn.Conv2d(inner, outer, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(widths[-1], outputs, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Shape (N, 3, H, W) to (N, outputs, H / 8, W / 8)."""
        maps = F.silu(self.conv_in(pictures))
        for convolution in self.blocks:
            maps = F.silu(convolution(maps))
        found: Tensor = self.conv_out(maps)
        return found
