"""PD-FGC's motion encoder: the expression code of CNTRL2. Its attribute names are the keys of the published file."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CODE = 548
"""6 numbers for the eyes, 30 for the emotion, 512 features for the mouth."""
_WIDTH = 256
_FEATURES = 512
_LANDMARKS = 68
_DEPTH = 4


class Residual(nn.Module):
    """Three convolutions, each after its normalisation, whose answers are laid side by side.

    Args:
        before: Channels it is given.
        after: Channels it answers.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        half, quarter = after // 2, after // 4
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, quarter, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(quarter)
        self.conv3 = nn.Conv2d(quarter, quarter, 3, padding=1, bias=False)
        self.downsample: nn.Module = nn.Identity()
        if before != after:
            self.downsample = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU(), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        """From (N, before, h, w) to (N, after, h, w)."""
        first = self.conv1(F.relu(self.bn1(maps)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        shortcut: Tensor = self.downsample(maps)
        return torch.cat([first, second, third], dim=1) + shortcut


class Hourglass(nn.Module):
    """Looks at four coarser scales and returns to its own."""

    def __init__(self) -> None:
        super().__init__()
        for level in range(_DEPTH, 0, -1):
            for branch in ("b1", "b2", "b3"):
                self.add_module(f"{branch}_{level}", Residual(_WIDTH, _WIDTH))
        self.b2_plus_1 = Residual(_WIDTH, _WIDTH)

    def forward(self, maps: Tensor, level: int = _DEPTH) -> Tensor:
        """From (N, 256, h, w) to the same; ``level`` counts the scales below."""
        beside: Tensor = self.get_submodule(f"b1_{level}")(maps)
        below = self.get_submodule(f"b2_{level}")(F.max_pool2d(maps, 2))
        below = self.forward(below, level - 1) if level > 1 else self.b2_plus_1(below)
        below = self.get_submodule(f"b3_{level}")(below)
        return beside + F.interpolate(below, size=maps.shape[2:], mode="bilinear", align_corners=False)


class Trunk(nn.Module):
    """A landmark network whose 68 heat maps become 512 features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = Residual(64, 128)
        self.conv3 = Residual(128, 128)
        self.conv4 = Residual(128, _WIDTH)
        self.m0 = Hourglass()
        self.top_m_0 = Residual(_WIDTH, _WIDTH)
        self.conv_last0 = nn.Conv2d(_WIDTH, _WIDTH, 1)
        self.bn_end0 = nn.BatchNorm2d(_WIDTH)
        self.l0 = nn.Conv2d(_WIDTH, _LANDMARKS, 1)
        self.bn5 = nn.BatchNorm2d(_LANDMARKS)
        self.conv6 = nn.Conv2d(_LANDMARKS, 1, 3, stride=2, padding=1)
        self.fc = nn.Linear(28 * 28, _FEATURES)

    def forward(self, faces: Tensor) -> Tensor:
        """From (N, 3, 224, 224) to (N, 512)."""
        maps = self.conv2(F.relu(self.bn1(self.conv1(faces))))
        maps = self.conv4(self.conv3(F.max_pool2d(maps, 2)))
        maps = self.conv_last0(self.top_m_0(self.m0(maps)))
        heat_maps = self.l0(F.relu(self.bn_end0(maps)))
        pooled = F.relu(self.conv6(F.relu(self.bn5(heat_maps))))
        features: Tensor = self.fc(pooled.flatten(1))
        return features


class PdFgcEncoder(nn.Module):
    """Reads the expression of faces. Only in evaluation mode: its normalisations must not see the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Trunk()
        self.to_mouth, self.mouth_embed = _head(), _embedding(500)  # the file has both, the code uses the first
        self.to_eye, self.eye_embed = _head(), _embedding(6)
        self.to_emo, self.emo_embed = _head(), _embedding(30)

    def forward(self, faces: Tensor) -> Tensor:
        """Encode faces warped to the five points.

        Args:
            faces: RGB in [-1, 1], shape (N, 3, 224, 224).

        Returns:
            Eyes, emotion and mouth, shape (N, 548).
        """
        features = self.model(faces)
        eyes, emotion = self.eye_embed(self.to_eye(features)), self.emo_embed(self.to_emo(features))
        return torch.cat([eyes, emotion, self.to_mouth(features)], dim=1)


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(_FEATURES, _FEATURES), nn.ReLU(), nn.BatchNorm1d(_FEATURES), nn.Linear(_FEATURES, _FEATURES)
    )


def _embedding(width: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Linear(_FEATURES, width))
