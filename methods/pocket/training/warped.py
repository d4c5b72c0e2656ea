"""What the denoiser is trained on: latents to arrive at, and the warped identity image it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....faces.networks.pocket import load_pocket_face
from ..autoencoder import PocketAutoencoder, load_autoencoder
from ..motion import LandmarkMotion, load_motion, scalars, warp
from ..sketch import draw_sketch
from .dataset import load_set
from .pairs import PairSet, draw_pairs
from .readings import encode_set
from .train_autoencoder import to_tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch for the denoiser.

    Attributes:
        target: Clean latents to arrive at, shape (N, 8, h, w).
        identity: Latents of the warped identity image, shape (N, 8, h, w).
        driving: From :func:`.motion.scalars`, shape (N, 16).
        sketch: Drawing of where the warp brings the landmarks, shape (N, 20, h, w).
        landmarks: Landmarks of the target picture, pixels, shape (N, 68, 2).
    """

    target: Tensor
    identity: Tensor
    driving: Tensor
    sketch: Tensor
    landmarks: Tensor


@dataclass(frozen=True, eq=False)
class WarpedSet:
    """A rendered set, and the frozen networks that stand before the denoiser.

    Attributes:
        pairs: Landmarks, codes and poses.
        frames: uint8 RGB, shape (P, F, S, S, 3), mapped from disk.
        latents: float16, shape (P, F, 8, h, w).
        autoencoder: Encodes warped pictures.
        motion: Says where landmarks go.
        device: Where batches go.
    """

    pairs: PairSet
    frames: NDArray[np.uint8]
    latents: Tensor
    autoencoder: PocketAutoencoder
    motion: LandmarkMotion
    device: str

    @classmethod
    def load(cls, folder: Path, device: str, people: slice = slice(None)) -> WarpedSet:
        """Open a rendered set, or some of its people, and encode its pictures."""
        data, autoencoder = load_set(folder), load_autoencoder(device=device)
        latents = encode_set(folder, data, autoencoder, people)
        pairs = PairSet.load(folder, load_pocket_face(device=device), people)
        return cls(pairs, data.frames[people], latents, autoencoder, load_motion(device=device), device)

    @torch.no_grad()
    def draw(self, batch: int, generator: torch.Generator) -> Batch:
        """Draw pairs, and warp each identity image to a place between where its code sends it and the truth.

        At sampling the motion network alone says where. Were it so here, the place would tell nothing that the code
        does not, and the denoiser would not learn to keep it; were it the truth, nothing would be left for a tuner to
        change. So each pair goes some random part of the way.
        """
        pairs = draw_pairs(self.pairs, batch, generator)
        driving = scalars(pairs.code, pairs.pose, pairs.own_code, pairs.own_pose).to(self.device)
        own = pairs.own_landmarks.to(self.device)
        frames = to_tensor(self.frames[pairs.person.numpy(), pairs.own.numpy()], self.device)
        told, true = self.motion(own, driving), pairs.landmarks.to(self.device)
        share = torch.rand(batch, 1, 1, generator=generator).to(self.device)
        goal = told + share * (true - told)
        target = self.latents[pairs.person, pairs.other].to(self.device).float()
        identity = self.autoencoder.encode(warp(frames, own, goal))
        return Batch(target, identity, driving, draw_sketch(goal, (target.shape[2], target.shape[3])), true)
