"""The embedded face network: one small differentiable model for portraits of 128 px drawn from the 3D face model.

It reads a whole frame that one face fills, as the embedded suites have it; it is no detector that searches a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.checkpoints import load_packaged
from ..backends.pocket import OWNER, SIZE, WEIGHTS
from ..base import Floats

EMBEDDING = 64
CODE = 5
POSE = 3


@dataclass(frozen=True, eq=False)
class PocketReading:
    """What the network says of N frames.

    Attributes:
        presence: Logit of "this is a portrait of a face", shape (N,).
        landmarks: iBUG 68 points in pixels of the 128 px frame, pixel centres at integers, shape (N, 68, 2).
        identity: Identity vectors, not normalised, shape (N, 64).
        emotion: Valence and arousal, not clipped, shape (N, 2).
        code: Coarse expression code (jaw, smile, pucker, brow, lids), shape (N, 5).
        pose: Yaw, pitch and roll in radians, shape (N, 3).
    """

    presence: Tensor
    landmarks: Tensor
    identity: Tensor
    emotion: Tensor
    code: Tensor
    pose: Tensor


def _unit(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _unit(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class PocketFaceNet(nn.Module):
    """Landmarks by the centre of mass of heat maps, the rest from pooled features; 1.1 million parameters."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), _unit(48, 32), _Residual(32))  # 32 x 32
        self.middle = nn.Sequential(_unit(32, 80, 2), _Residual(80))  # 16 x 16
        self.deep = nn.Sequential(_unit(80, 128, 2), _Residual(128))  # 8 x 8
        self.lateral = nn.ModuleList(nn.Conv2d(width, 48, 1) for width in (32, 80, 128))
        self.merge = _unit(48, 48)
        self.heat = nn.Conv2d(48, 68, 1)
        self.squeeze = nn.Sequential(nn.Conv2d(128, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True))
        joined = 24 * 64 + 136
        # A pixel of lip is a small number beside an activation: without the normalisation the head does not see it.
        self.state = nn.Sequential(
            nn.BatchNorm1d(joined), nn.Linear(joined, 192), nn.ReLU(inplace=True), nn.Linear(192, 2 + CODE + POSE)
        )
        self.person = nn.Sequential(_unit(80, 96, 2), _unit(96, 128, 2))  # 4 x 4
        self.identity = nn.Linear(256, EMBEDDING)
        self.presence = nn.Linear(256, 1)
        # Centres of the heat maps' cells in pixels of the frame.
        self.register_buffer("steps", torch.arange(32) * 4 + 1.5)

    def forward(self, frames: Tensor) -> PocketReading:
        """Read frames.

        Args:
            frames: RGB in [-1, 1], shape (N, 3, 128, 128).
        """
        landmarks, features, middle = self.look(frames)
        state = self.state(features)
        person = self.person(middle)
        pooled = torch.cat([person.mean(dim=(2, 3)), person.amax(dim=(2, 3))], dim=1)
        return PocketReading(
            presence=self.presence(pooled)[:, 0],
            landmarks=landmarks,
            identity=self.identity(pooled),
            emotion=state[:, :2],
            code=state[:, 2 : 2 + CODE],
            pose=state[:, 2 + CODE :],
        )

    def look(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Landmarks, what expression and pose are read from (N, 1672), and features at 16 x 16."""
        fine = self.stem(frames)
        middle = self.middle(fine)
        deep = self.deep(middle)
        landmarks = self._place(fine, middle, deep)
        shape = (landmarks - landmarks.mean(dim=1, keepdim=True)).flatten(1)
        return landmarks, torch.cat([self.squeeze(deep).flatten(1), shape], dim=1), middle

    def _place(self, fine: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        """Landmarks from three scales of features."""
        merged = self.lateral[2](deep)
        for level, features in ((1, middle), (0, fine)):
            larger = F.interpolate(merged, scale_factor=2, mode="bilinear", align_corners=False)
            merged = larger + self.lateral[level](features)
        heat = self.heat(self.merge(F.relu(merged))).flatten(2).softmax(dim=2).unflatten(2, (32, 32))
        return torch.stack([heat.sum(dim=2) @ self.steps, heat.sum(dim=3) @ self.steps], dim=2)


class DifferentiablePocketFace(nn.Module):
    """The identity part with gradients to the pixels, for identity losses; see :class:`.base.DifferentiableEmbedder`.

    Args:
        network: In evaluation mode.
    """

    def __init__(self, network: PocketFaceNet) -> None:
        super().__init__()
        self.network = network

    def embed(self, frames: Tensor, landmarks: Sequence[Floats]) -> Tensor:  # noqa: ARG002 - it reads whole frames
        """Identity vectors of square frames in [-1, 1], shape (N, 3, S, S), not normalised, shape (N, 64)."""
        if frames.shape[-1] != SIZE:
            frames = F.interpolate(frames, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        reading: PocketReading = self.network(frames)
        return reading.identity


def load_pocket_face(path: Path = WEIGHTS, device: str = "cpu") -> PocketFaceNet:
    """Build the network and fill it strictly, in float32, for evaluation.

    Raises:
        WeightsError: When the file is missing, damaged or of another model.
    """
    with torch.random.fork_rng(devices=[]):  # the numbers that a new network begins with are nobody's noise
        network = PocketFaceNet()
    return load_packaged(network, path, OWNER).to(device)
