"""A rendered set as the denoiser's training data: latents of every picture and its mirror image, codes and poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .autoencoder import PocketAutoencoder
from .dataset import RenderedSet
from .train_autoencoder import to_tensor

NEUTRAL_SHARE = 0.7
"""How often the identity image is the person's near-neutral one."""
CODE_NOISE = 0.05
"""Deviation of the noise on the driver's code, so that the generator forgives a reader's errors."""


@dataclass(frozen=True, eq=False)
class LatentSet:
    """Latents, codes and poses of people seen in one scene, on one device.

    Attributes:
        latents: float16, shape (P, F, 8, h, w).
        code: Driving codes at full strength, shape (P, F, 5).
        pose: Yaw, pitch and roll, shape (P, F, 3).
    """

    latents: Tensor
    code: Tensor
    pose: Tensor


@dataclass(frozen=True, eq=False)
class Pairs:
    """A batch: where the generator starts and where it should arrive."""

    identity: Tensor
    target: Tensor
    code: Tensor
    pose: Tensor
    own_code: Tensor
    own_pose: Tensor


@torch.no_grad()
def encode_set(data: RenderedSet, autoencoder: PocketAutoencoder, device: str) -> LatentSet:
    """Encode the pictures that share their person's scene, and their mirror images as further people."""
    count = data.config.frames - data.config.varied
    autoencoder = autoencoder.to(device)
    rows = []
    for person in range(data.config.people):
        frames = to_tensor(data.frames[person, :count], device)
        rows.append(torch.stack([autoencoder.encode(frames), autoencoder.encode(frames.flip(3))]).half())
    code = torch.from_numpy(np.array(data.code[:, :count])).repeat_interleave(2, dim=0)
    pose = torch.from_numpy(np.array(data.pose[:, :count, :3])).repeat_interleave(2, dim=0)
    pose[1::2] *= torch.tensor([-1.0, 1.0, -1.0])  # the code averages left and right: a mirror leaves it alone
    return LatentSet(torch.cat(rows), code.to(device), pose.to(device))


def draw_pairs(data: LatentSet, batch: int, generator: torch.Generator) -> Pairs:
    """Two different pictures of each of ``batch`` random people; the driver's code gets its noise.

    Args:
        data: Where from.
        batch: How many.
        generator: On the CPU; it alone decides the draw.
    """
    people, frames = data.latents.shape[:2]
    person = torch.randint(people, (batch,), generator=generator)
    own = torch.randint(frames, (batch,), generator=generator)
    own = torch.where(torch.rand(batch, generator=generator) < NEUTRAL_SHARE, torch.zeros_like(own), own)
    other = (own + torch.randint(1, frames, (batch,), generator=generator)) % frames
    noise = CODE_NOISE * torch.randn(batch, data.code.shape[2], generator=generator)
    device = data.latents.device
    person, own, other = person.to(device), own.to(device), other.to(device)
    return Pairs(
        identity=data.latents[person, own].float(),
        target=data.latents[person, other].float(),
        code=data.code[person, other] + noise.to(device),
        pose=data.pose[person, other],
        own_code=data.code[person, own],
        own_pose=data.pose[person, own],
    )
