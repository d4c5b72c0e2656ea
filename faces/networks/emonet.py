"""EmoNet's network, written from its published architecture; weights are the user's.

Toisoul et al., "Estimation of continuous valence and arousal levels from faces in naturalistic conditions", Nature
Machine Intelligence 2021: a face alignment network with two hourglasses whose features, weighted by its landmark
heatmaps, feed an emotion head. Module names are those of the published checkpoints, which load with ``strict=True``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FEATURES = 256
_LANDMARKS = 68
_DEPTH = 4


class EmoNetOutput(NamedTuple):
    """What the network says of N faces.

    Attributes:
        expression: Logits, shape (N, classes).
        valence: Shape (N,), about [-1, 1] but not bounded.
        arousal: Shape (N,), likewise.
        heatmap: Landmark heatmaps of the last stack, shape (N, 68, 64, 64).
    """

    expression: Tensor
    valence: Tensor
    arousal: Tensor
    heatmap: Tensor


class ResidualBlock(nn.Module):
    """Three pre-activated 3x3 convolutions whose outputs are concatenated and added to the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _conv3x3(inputs, half)
        self.bn2, self.conv2 = nn.BatchNorm2d(half), _conv3x3(half, quarter)
        self.bn3, self.conv3 = nn.BatchNorm2d(quarter), _conv3x3(quarter, quarter)
        self.downsample: nn.Module | None = None
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        first = self.conv1(F.relu(self.bn1(x)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.cat([first, second, third], dim=1) + shortcut


class Hourglass(nn.Module):
    """Residual blocks at five scales, summed on the way back up. Names carry the level, 4 being the outermost."""

    def __init__(self) -> None:
        super().__init__()
        for level in range(_DEPTH, 0, -1):
            for branch in ("b1", "b2", "b3"):
                self.add_module(f"{branch}_{level}", ResidualBlock(_FEATURES, _FEATURES))
        self.b2_plus_1 = ResidualBlock(_FEATURES, _FEATURES)

    def forward(self, x: Tensor, level: int = _DEPTH) -> Tensor:
        """Map (N, 256, H, W) to the same shape; H and W are multiples of 16."""
        low = self.get_submodule(f"b2_{level}")(F.max_pool2d(x, 2))
        low = self(low, level - 1) if level > 1 else self.b2_plus_1(low)
        low = self.get_submodule(f"b3_{level}")(low)
        upper: Tensor = self.get_submodule(f"b1_{level}")(x)
        return upper + F.interpolate(low, scale_factor=2.0, mode="nearest")


class EmoNet(nn.Module):
    """EmoNet with 8 or 5 expression classes.

    Args:
        classes: Number of expressions (neutral, happy, sad, surprise, fear and, of 8, disgust, anger, contempt).
    """

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = ResidualBlock(64, 128)
        self.conv3 = ResidualBlock(128, 128)
        self.conv4 = ResidualBlock(128, _FEATURES)
        for stage in range(2):
            for name, module in _stage(last=stage == 1).items():
                self.add_module(f"{name}{stage}", module)
        self.conv1x1_input_emo_2 = nn.Conv2d(3 * _FEATURES, _FEATURES, 1)
        blocks = [part for _ in range(4) for part in (ResidualBlock(_FEATURES, _FEATURES), nn.MaxPool2d(2))]
        self.emo_net_2 = nn.Sequential(*blocks)
        self.emo_fc_2 = nn.Sequential(
            nn.Linear(_FEATURES, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, classes + 2)
        )

    def forward(self, images: Tensor) -> EmoNetOutput:
        """Read faces.

        Args:
            images: RGB in [0, 1] without further normalisation, shape (N, 3, 256, 256).
        """
        x = F.max_pool2d(self.conv2(F.relu(self.bn1(self.conv1(images)))), 2)
        x = self.conv4(self.conv3(x))
        first, first_heatmap = self._stage(0, x)
        bridge = self.get_submodule("bl0")(first)
        second, heatmap = self._stage(1, x + bridge + self.get_submodule("al0")(first_heatmap))
        attended = torch.cat([bridge, second], dim=1) * heatmap.sum(dim=1, keepdim=True)
        emotion = self.emo_net_2(self.conv1x1_input_emo_2(torch.cat([x, attended], dim=1)))
        values = self.emo_fc_2(emotion.mean(dim=(2, 3)))
        return EmoNetOutput(values[:, :-2], values[:, -2], values[:, -1], heatmap)

    def _stage(self, stage: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rectified features and heatmaps of one hourglass."""
        for name in (f"m{stage}", f"top_m_{stage}", f"conv_last{stage}", f"bn_end{stage}"):
            x = self.get_submodule(name)(x)
        features = F.relu(x)
        return features, self.get_submodule(f"l{stage}")(features)


def _stage(last: bool) -> dict[str, nn.Module]:
    modules: dict[str, nn.Module] = {
        "m": Hourglass(),
        "top_m_": ResidualBlock(_FEATURES, _FEATURES),
        "conv_last": nn.Conv2d(_FEATURES, _FEATURES, 1),
        "bn_end": nn.BatchNorm2d(_FEATURES),
        "l": nn.Conv2d(_FEATURES, _LANDMARKS, 1),
    }
    if not last:
        modules["bl"] = nn.Conv2d(_FEATURES, _FEATURES, 1)
        modules["al"] = nn.Conv2d(_LANDMARKS, _FEATURES, 1)
    return modules


def _conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
