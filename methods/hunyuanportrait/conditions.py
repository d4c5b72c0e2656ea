"""All that HunyuanPortrait computes from a case alone, once, before it samples or is tuned. It stays on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...datasets.clip import Clip, Frame
from .crops import WholeBox
from .intensity import CHUNK
from .networks import OF_MOTION, Networks
from .preprocessing import Preprocessed, appearance_picture, unit

PADS = 15
"""Frames before and behind a clip through which its motion fades in and out; made, and thrown away."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Neighbouring frames of a case that are denoised together, F of them.

    Attributes:
        appearance: Tokens of the identity, shape (1, K, D).
        motion: Tokens of the frames, shape (F, K, D).
        image_latents: Latents of the identity's portrait, **not** scaled, shape (1, 4, h, w).
    """

    appearance: Tensor
    motion: Tensor
    image_latents: Tensor

    def of_frames(self, frames: Sequence[int]) -> Selection:
        """Some of the frames, in any order."""
        return Selection(self.appearance, self.motion[list(frames)], self.image_latents)

    def to(self, device: torch.device) -> Selection:
        """The same on a device."""
        return Selection(self.appearance.to(device), self.motion.to(device), self.image_latents.to(device))


@dataclass(frozen=True, eq=False)
class Conditions(Selection):
    """A case as the denoiser sees it, without pads.

    Attributes:
        canvas: The driving clip as cropped, F frames.
        identity: The identity image.
        box: Where the portrait lies in it.
    """

    canvas: Clip
    identity: Frame
    box: WholeBox

    def padded(self) -> Selection:
        """The clip with its pads."""
        return Selection(self.appearance, padded(self.motion), self.image_latents)


def padded(motion: Tensor, pads: int = PADS) -> Tensor:
    """Motion tokens with pads: the first frame's fade in from zero, the last one's fade out.

    The fades take i / pads of the first and 1 - i / pads of the last, i from 0: the last frame comes once more whole.

    Args:
        motion: Shape (F, K, D).
        pads: Frames on each side.

    Returns:
        Shape (pads + F + pads, K, D).
    """
    rise = (torch.arange(pads) / pads).to(motion)[:, None, None]
    return torch.cat([rise * motion[:1], motion, (1 - rise) * motion[-1:]])


@torch.no_grad()
def compute_conditions(networks: Networks, case: Preprocessed, identity: Frame) -> Conditions:
    """Run all encoders on a case.

    Args:
        networks: The encoders.
        case: From preprocessing.
        identity: The identity image.
    """
    embedding = networks.embed_identity(case.identity)
    chunks = []
    with networks.on_device(*OF_MOTION):  # once for all chunks
        for row, strength in enumerate(case.intensities):
            rows = slice(row * CHUNK, (row + 1) * CHUNK)
            faces, poses = unit(case.expressions[rows]), unit(case.poses[rows])
            chunks.append(networks.motion_tokens(faces, poses, strength.head, strength.expression).cpu())
    return Conditions(
        appearance=networks.appearance_tokens(appearance_picture(case.portrait), embedding).cpu(),
        motion=torch.cat(chunks),
        image_latents=networks.encode(2 * unit(case.portrait[None]) - 1).cpu(),
        canvas=case.canvas,
        identity=identity,
        box=case.box,
    )
