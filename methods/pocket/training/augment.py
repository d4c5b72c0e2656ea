"""What a batch goes through before the face network sees it: other framing, mirror, colour, blur, noise, non-faces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .dataset import RenderedSet
from .train_autoencoder import to_tensor

MIRROR = np.concatenate(
    [
        np.arange(17)[::-1],
        np.arange(17, 27)[::-1],
        np.arange(27, 31),
        np.arange(31, 36)[::-1],
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55],
        [64, 63, 62, 61, 60, 67, 66, 65],
    ]
)
"""Which of the 68 points each becomes in a mirrored picture."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures and their truth; see :class:`faces.networks.pocket.PocketReading` for shapes and units."""

    frames: Tensor
    landmarks: Tensor
    emotion: Tensor
    code: Tensor
    pose: Tensor
    person: Tensor


def draw_batch(data: RenderedSet, people: np.ndarray[tuple[int], np.dtype[np.int64]], shots: Tensor) -> Batch:
    """Collect pictures by person and shot."""
    columns = shots.numpy()

    def take(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array[people, columns]))

    return Batch(
        frames=to_tensor(data.frames[people, columns]),
        landmarks=take(data.landmarks),
        emotion=take(data.emotion),
        code=take(data.code),
        pose=take(data.pose[..., :3]),
        person=torch.from_numpy(people),
    )


def augmented(batch: Batch) -> Batch:
    """Mirror some, shift, turn and scale all, then change colour and sharpness."""
    batch = _reframed(_mirrored(batch))
    return replace(batch, frames=_degraded(_recoloured(batch.frames)))


def non_faces(frames: Tensor) -> Tensor:
    """Pictures without a portrait made of pictures with one: smooth noise, shuffled tiles, corners, upside down, flat.

    Args:
        frames: Any portraits, shape (N, 3, S, S); N is kept.
    """
    out = []
    size = frames.shape[-1]
    for frame in frames:
        kind = int(torch.randint(6, ()))
        if kind == 0:
            coarse = int(torch.randint(2, 40, ()))
            made = F.interpolate(torch.rand(1, 3, coarse, coarse) * 2 - 1, size=(size, size), mode="bilinear")[0]
        elif kind == 1:
            tiles = int(torch.tensor([2, 4, 8])[torch.randint(3, ())])
            cut = frame.unflatten(1, (tiles, -1)).unflatten(3, (tiles, -1)).permute(1, 3, 0, 2, 4).flatten(0, 1)
            mixed = cut[torch.randperm(tiles * tiles)].unflatten(0, (tiles, tiles)).permute(2, 0, 3, 1, 4)
            made = mixed.reshape(3, size, size)
        elif kind == 2:
            side = int(torch.randint(12, 40, ()))
            y, x = (int(value) for value in torch.randint(0, size - side, (2,)))
            made = F.interpolate(frame[None, :, y : y + side, x : x + side], size=(size, size), mode="bilinear")[0]
        elif kind == 3:
            made = frame.flip(1)
        elif kind == 4:
            made = frame[:, :1, :1].expand_as(frame) + 0.02 * torch.randn_like(frame)
        else:
            made = frame.roll((size // 2, size // 2), (1, 2))
        out.append(made)
    return torch.stack(out)


def _mirrored(batch: Batch) -> Batch:
    flip = torch.rand(len(batch.frames)) < 0.5
    size = batch.frames.shape[-1]
    marks = batch.landmarks[:, MIRROR] * torch.tensor([-1.0, 1.0]) + torch.tensor([size - 1.0, 0.0])
    where = flip[:, None]
    return replace(
        batch,
        frames=torch.where(where[..., None, None], batch.frames.flip(3), batch.frames),
        landmarks=torch.where(where[..., None], marks, batch.landmarks),
        pose=torch.where(where, batch.pose * torch.tensor([-1.0, 1.0, -1.0]), batch.pose),
    )


def _reframed(batch: Batch) -> Batch:
    """Turn up to 8 degrees, scale by 0.85 to 1.12, shift up to 6 % of the side; edges are repeated outwards."""
    count, size = len(batch.frames), batch.frames.shape[-1]
    angle = (torch.rand(count) * 2 - 1) * 0.14
    scale = torch.empty(count).uniform_(0.85, 1.12)
    shift = (torch.rand(count, 2) * 2 - 1) * 0.06
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # picture coordinates, y down
    inverse = turn.transpose(1, 2) / scale[:, None, None]
    theta = torch.cat([inverse, -(inverse @ (2 * shift)[..., None])], dim=2)
    grid = F.affine_grid(theta, list(batch.frames.shape), align_corners=False)
    frames = F.grid_sample(batch.frames, grid, padding_mode="border", align_corners=False)
    centred = (batch.landmarks + 0.5) / size - 0.5
    moved = (centred @ turn.transpose(1, 2)) * scale[:, None, None] + shift[:, None]
    # A positive roll leans to the right of the picture, as a positive angle turns it.
    pose = torch.stack([batch.pose[:, 0], batch.pose[:, 1], batch.pose[:, 2] + angle], dim=1)
    return replace(batch, frames=frames, landmarks=(moved + 0.5) * size - 0.5, pose=pose)


def _recoloured(frames: Tensor) -> Tensor:
    count = len(frames)
    gain = torch.empty(count, 1, 1, 1).uniform_(0.75, 1.25) * torch.empty(count, 3, 1, 1).uniform_(0.92, 1.08)
    gamma = torch.empty(count, 1, 1, 1).uniform_(0.8, 1.25)
    return ((frames + 1).clamp(0, 2) / 2).pow(gamma).mul(gain).clamp(0, 1) * 2 - 1


def _degraded(frames: Tensor) -> Tensor:
    """Blur a third of the pictures by shrinking them, and add noise to all."""
    size = frames.shape[-1]
    share = float(torch.empty(()).uniform_(0.45, 0.9))
    small = F.interpolate(frames, scale_factor=share, mode="bilinear", antialias=True)
    soft = F.interpolate(small, size=(size, size), mode="bilinear")
    blur = (torch.rand(len(frames)) < 0.33)[:, None, None, None]
    noise = torch.randn_like(frames) * (torch.rand(len(frames), 1, 1, 1) * 0.05)
    return torch.where(blur, soft, frames) + noise
