"""Encoders of the driving frames: expression, head pose, and the refiner that makes motion tokens of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 512
"""Numbers that the expression encoder gives per frame."""
BUCKETS = 128


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Bottleneck(nn.Module):
    """ResNet-50's block with group norms of one group."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.gn1 = _convolution(inputs, width, 1), nn.GroupNorm(1, width)
        self.conv2, self.gn2 = _convolution(width, width, 3, stride), nn.GroupNorm(1, width)
        self.conv3, self.gn3 = _convolution(width, outputs, 1), nn.GroupNorm(1, outputs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.GroupNorm(1, outputs))

    def forward(self, maps: Tensor) -> Tensor:
        """Shape (N, inputs, h, w) to (N, 4 width, h / stride, w / stride)."""
        inner = F.relu(self.gn1(self.conv1(maps)))
        inner = F.relu(self.gn2(self.conv2(inner)))
        return F.relu(self.gn3(self.conv3(inner)) + self.downsample(maps))


class BasicBlock(nn.Module):
    """ResNet-18's block; what its file calls batch norms are group norms of 32 groups."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(inputs, width, 3, stride), nn.GroupNorm(32, width)
        self.conv2, self.bn2 = _convolution(width, width, 3), nn.GroupNorm(32, width)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(_convolution(inputs, width, 1, stride), nn.GroupNorm(32, width))

    def forward(self, maps: Tensor) -> Tensor:
        """Shape (N, inputs, h, w) to (N, width, h / stride, w / stride)."""
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        return F.relu(inner + self.shortcut(maps))


class ResNet(nn.Module):
    """A residual network as its file names it.

    Args:
        block: Residual block of all layers.
        norm: Name of the first norm.
        groups: Groups of the first norm.
        depths: Blocks of the four layers.
        outputs: Numbers per picture.
    """

    def __init__(
        self, block: type[Bottleneck | BasicBlock], norm: str, groups: int, depths: Sequence[int], outputs: int
    ) -> None:
        super().__init__()
        self.conv1, self._norm = _convolution(3, 64, 7, 2), norm
        self.add_module(norm, nn.GroupNorm(groups, 64))
        channels, expansion = 64, 4 if block is Bottleneck else 1
        for level, depth in enumerate(depths):
            width, layers = 64 * 2**level, []
            for place in range(depth):
                layers.append(block(channels, width, 2 if level and not place else 1))
                channels = width * expansion
            self.add_module(f"layer{level + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(channels, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """Shape (N, 3, H, W) to (N, outputs)."""
        maps = F.relu(self.get_submodule(self._norm)(self.conv1(pictures)))
        maps = F.max_pool2d(maps, 3, 2, 1)
        for level in range(1, 5):
            maps = self.get_submodule(f"layer{level}")(maps)
        found: Tensor = self.fc(maps.mean(dim=(2, 3)))
        return found


class ExpressionEncoder(nn.Module):
    """Faces in [0, 1], shape (F, 3, 256, 256), to features (F, 512).

    Args:
        depths: Blocks of the four layers.
    """

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self.resnet50 = ResNet(Bottleneck, "gn1", 1, depths, FEATURES)

    def forward(self, faces: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.resnet50(faces)
        return found


class HeadPoseEncoder(nn.Module):
    """Angles of a head; the file also answers with a place, which upstream multiplies by zero.

    Args:
        depths: Blocks of the four layers.
    """

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self.head_pose_net = ResNet(BasicBlock, "bn1", 32, depths, 6)

    def forward(self, pictures: Tensor) -> Tensor:
        """Angles in degrees, shape (F, 3), of pictures in [0, 1], shape (F, 3, 256, 256).

        The network was trained on pictures in [1, 3] (upstream feeds it 2 x + 1).
        """
        return 360 * torch.sigmoid(self.head_pose_net(2 * pictures + 1))[:, :3] - 180


class AdaptiveNorm(nn.Module):
    """Layer norm whose shift and scale follow a condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, rows: Tensor, condition: Tensor) -> Tensor:
        """Shape of ``rows`` (N, T, C); the condition is (N, 1, C)."""
        shift, scale = self.linear(F.silu(condition)).chunk(2, dim=-1)
        moved: Tensor = F.layer_norm(rows, rows.shape[-1:], eps=1e-6) * (1 + scale) + shift
        return moved


class _Squared(nn.Module):
    def forward(self, rows: Tensor) -> Tensor:
        return F.relu(rows) ** 2


class RefinerBlock(nn.Module):
    """Memory rows attend to themselves and to a frame's feature."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("act", _Squared())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))
        self.ln_1, self.ln_2, self.ln_ff = (AdaptiveNorm(width) for _ in range(3))

    def forward(self, feature: Tensor, memory: Tensor, condition: Tensor) -> Tensor:
        """New memory, shape (N, K, C), from a feature (N, 1, C)."""
        query = self.ln_1(memory, condition)
        seen = torch.cat([query, self.ln_2(feature, condition)], dim=1)
        memory = memory + self.attn(query, seen, seen, need_weights=False)[0]
        refined: Tensor = memory + self.mlp(self.ln_ff(memory, condition))
        return refined


class Connector(nn.Module):
    """Holds the motion memory bank and the blocks that read it."""

    def __init__(self, width: int, layers: int, heads: int, tokens: int, outputs: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(tokens, width) * width**-0.5)
        self.intensity_aware_linear = nn.Linear(width, width)
        self.proj_in = nn.Linear(FEATURES, width)
        self.perceiver_blocks = nn.ModuleList(RefinerBlock(width, heads) for _ in range(layers))
        self.proj_out = nn.Sequential(nn.Linear(width, outputs), nn.LayerNorm(outputs))


class MotionRefiner(nn.Module):
    """Motion tokens from expression features and intensity.

    Args:
        outputs: Width of the tokens.
        tokens: Per frame.
        width: Inside.
        layers: Blocks.
        heads: Attention heads.
    """

    def __init__(self, outputs: int, tokens: int = 64, width: int = 768, layers: int = 6, heads: int = 8) -> None:
        super().__init__()
        self.position_head, self.position_exp = nn.Embedding(BUCKETS, width), nn.Embedding(BUCKETS, width)
        self.connector = Connector(width, layers, heads, tokens, outputs)

    def forward(self, features: Tensor, head: int, expression: int) -> Tensor:
        """Tokens (F, K, outputs) of features (F, 512), all of one pair of buckets."""
        own = self.connector
        row = self.position_head.weight[head] + self.position_exp.weight[expression]
        condition = row.expand(len(features), 1, -1)
        memory = own.latents + own.intensity_aware_linear(F.silu(condition))
        feature = own.proj_in(features[:, None])
        for block in own.perceiver_blocks:
            memory = block(feature, memory, condition)
        refined: Tensor = own.proj_out(memory)
        return refined
