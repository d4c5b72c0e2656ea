"""A rendered set as training data of the generator's networks: pairs of pictures of one person, codes and poses.

What the generator reads from pictures when it samples, is read here too: landmarks, code and pose of the identity image
are the face network's, errors and all, and the driver's pose has an error of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....faces.networks.pocket import PocketFaceNet
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
        read: The same three as the face network reads them.
    """

    landmarks: Tensor
    code: Tensor
    pose: Tensor
    read: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of_rendered(cls, data: RenderedSet, network: PocketFaceNet, people: slice = slice(None)) -> PairSet:
        """Take the pictures that share their person's scene.

        Args:
            data: The set.
            network: Reads the pictures.
            people: Whose pictures.
        """
        count = data.config.frames - data.config.varied
        landmarks, code, pose = (
            torch.from_numpy(np.array(array[people, :count])) for array in (data.landmarks, data.code, data.pose)
        )
        return cls(landmarks, code, pose[..., :3], read=_read(network, data.frames[people], count))


@dataclass(frozen=True, eq=False)
class Pairs:
    """A batch: where the generator starts and where it should arrive.

    Attributes:
        person: Row of the person, shape (N,).
        own: Column of the identity image, shape (N,).
        other: Column of the picture to arrive at, shape (N,).
        own_landmarks: Landmarks of the identity image, as read, shape (N, 68, 2).
        landmarks: Target landmarks, shape (N, 68, 2).
        code: Expression code of the driver, noisy, shape (N, 5).
        pose: Pose of the driver, with the reading error of another picture, shape (N, 3).
        own_code: Expression code of the identity image, as read, shape (N, 5).
        own_pose: Pose of the identity image, as read, shape (N, 3).
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
    """Two different pictures of each of ``batch`` random people; the driver's code and pose get their errors.

    The driver is another person when the generator is used, whose reading errs in its own way: hence the error of any
    picture, and not of the one to arrive at.

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
    stranger, view = (torch.randint(count, (batch,), generator=generator) for count in (people, frames))
    read_landmarks, read_code, read_pose = data.read
    return Pairs(
        person=person,
        own=own,
        other=other,
        own_landmarks=read_landmarks[person, own],
        landmarks=data.landmarks[person, other],
        code=data.code[person, other] + noise,
        pose=data.pose[person, other] + read_pose[stranger, view] - data.pose[stranger, view],
        own_code=read_code[person, own],
        own_pose=read_pose[person, own],
    )


@torch.no_grad()
def _read(network: PocketFaceNet, frames: NDArray[np.uint8], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Landmarks, code and pose of each person's first pictures (P, F, S, S, 3), on the CPU."""
    device = str(network.steps.device)
    readings = [network(to_tensor(own[:count], device)) for own in frames]
    names = ("landmarks", "code", "pose")
    landmarks, code, pose = (torch.stack([getattr(own, name).cpu() for own in readings]) for name in names)
    return landmarks, code, pose


@torch.no_grad()
def encode_set(data: RenderedSet, autoencoder: PocketAutoencoder, people: slice = slice(None)) -> Tensor:
    """Latents of the pictures that share their person's scene, float16 on the CPU, shape (P, F, 8, h, w)."""
    count = data.config.frames - data.config.varied
    device = str(autoencoder.mean.device)
    rows = [autoencoder.encode(to_tensor(frames[:count], device)).half().cpu() for frames in data.frames[people]]
    return torch.stack(rows)
