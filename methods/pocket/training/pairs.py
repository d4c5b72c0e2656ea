"""A rendered set as training data of the generator's networks: pairs of pictures of one person, codes and poses.

What the generator reads from pictures when it samples, is read here too: landmarks, code and pose of the identity image
are the face network's, errors and all, and the driver's pose has an error of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ....faces.networks.pocket import PocketFaceNet
from ..code import CODE_NOISE
from .dataset import load_set
from .readings import read_set

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
    def load(cls, folder: Path, network: PocketFaceNet, people: slice = slice(None)) -> PairSet:
        """Take the pictures that share their person's scene.

        Args:
            folder: A rendered set's.
            network: Reads the pictures.
            people: Whose pictures.
        """
        data = load_set(folder)
        count = data.config.frames - data.config.varied
        landmarks, code, pose = (
            torch.from_numpy(np.array(array[people, :count])) for array in (data.landmarks, data.code, data.pose)
        )
        return cls(landmarks, code, pose[..., :3], read=read_set(folder, data, network, people))


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
