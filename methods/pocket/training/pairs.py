"""A rendered set as training data of the generator's networks: pairs of pictures of one person, codes and poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..autoencoder import PocketAutoencoder
from ..code import CODE_NOISE
from .dataset import RenderedSet
from .train_autoencoder import to_tensor

NEUTRAL_SHARE = 0.7
"""How often the identity image is the person's near-neutral one."""


@dataclass(frozen=True, eq=False)
class PairSet:
    """What is known of people seen in one scene, with leading shape (people, frames).

    Attributes:
        landmarks: Pixels, shape (P, F, 68, 2).
        code: Driving codes at full strength, shape (P, F, 5).
        pose: Yaw, pitch and roll, shape (P, F, 3).
    """

    landmarks: Tensor
    code: Tensor
    pose: Tensor

    @classmethod
    def of_rendered(cls, data: RenderedSet, people: slice = slice(None)) -> PairSet:
        """Take the pictures that share their person's scene."""
        count = data.config.frames - data.config.varied
        landmarks, code, pose = (
            torch.from_numpy(np.array(array[people, :count])) for array in (data.landmarks, data.code, data.pose)
        )
        return cls(landmarks, code, pose[..., :3])


@dataclass(frozen=True, eq=False)
class Pairs:
    """A batch: where the generator starts and where it should arrive.

    Attributes:
        person: Row of the person, shape (N,).
        own: Column of the identity image, shape (N,).
        other: Column of the picture to arrive at, shape (N,).
        own_landmarks: Landmarks of the identity image, shape (N, 68, 2).
        landmarks: Target landmarks, shape (N, 68, 2).
        code: Expression code of the driver, noisy, shape (N, 5).
        pose: Pose of the driver, shape (N, 3).
        own_code: Expression code of the identity image, shape (N, 5).
        own_pose: Pose of the identity image, shape (N, 3).
    """

    person: Tensor
    own: Tensor
    other: Tensor
    own_landmarks: Tensor
    landmarks: Tensor
    code: Tensor
    pose: Tensor
    own_code: Tensor
    own_pose: Tensor


def draw_pairs(data: PairSet, batch: int, generator: torch.Generator) -> Pairs:
    """Two different pictures of each of ``batch`` random people; the driver's code gets its noise.

    Args:
        data: Where from.
        batch: How many.
        generator: On the CPU; it alone decides the draw.
    """
    people, frames = data.code.shape[:2]
    person = torch.randint(people, (batch,), generator=generator)
    own = torch.randint(frames, (batch,), generator=generator)
    own = torch.where(torch.rand(batch, generator=generator) < NEUTRAL_SHARE, torch.zeros_like(own), own)
    other = (own + torch.randint(1, frames, (batch,), generator=generator)) % frames
    noise = CODE_NOISE * torch.randn(batch, data.code.shape[2], generator=generator)
    return Pairs(
        person=person,
        own=own,
        other=other,
        own_landmarks=data.landmarks[person, own],
        landmarks=data.landmarks[person, other],
        code=data.code[person, other] + noise,
        pose=data.pose[person, other],
        own_code=data.code[person, own],
        own_pose=data.pose[person, own],
    )


@torch.no_grad()
def encode_set(data: RenderedSet, autoencoder: PocketAutoencoder, people: slice = slice(None)) -> Tensor:
    """Latents of the pictures that share their person's scene, float16 on the CPU, shape (P, F, 8, h, w)."""
    count = data.config.frames - data.config.varied
    device = str(autoencoder.mean.device)
    rows = [autoencoder.encode(to_tensor(frames[:count], device)).half().cpu() for frames in data.frames[people]]
    return torch.stack(rows)
