"""What pocket computes from a case before it denoises: readings of both faces, the warped identity, driving scalars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ...core.errors import NoFaceError
from ...datasets.clip import Clip
from ...faces.backends.pocket import network_input
from ...faces.networks.pocket import PocketFaceNet, PocketReading
from ..base import Inputs
from .autoencoder import PocketAutoencoder
from .code import CODE_NOISE, CODE_VARIANCE
from .motion import LandmarkMotion, scalars, warp
from .prior import WarpPrior
from .sketch import draw_sketch
from .unet import DenoiserInputs


@dataclass(frozen=True, eq=False)
class Conditions:
    """All that depends on the case alone.

    Attributes:
        given: What the denoiser knows of each driving frame.
        fps: Frame rate of the driving clip.
        held: Driving frames without a face, which repeat the frame before.
    """

    given: DenoiserInputs
    fps: Fraction
    held: int

    def __getitem__(self, frames: Sequence[int]) -> Conditions:
        """Conditions of some frames."""
        return Conditions(self.given[list(frames)], self.fps, self.held)


@dataclass(frozen=True, eq=False)
class Networks:
    """The small networks that stand before the denoiser.

    Attributes:
        face: Reads landmarks, code and pose.
        motion: Says where the code sends the landmarks.
        autoencoder: Encodes the bent pictures.
        prior: Says how far to trust them.
    """

    face: PocketFaceNet
    motion: LandmarkMotion
    autoencoder: PocketAutoencoder
    prior: WarpPrior


@torch.no_grad()
def read(network: PocketFaceNet, clip: Clip, device: str, batch: int = 32) -> tuple[Tensor, PocketReading]:
    """Put a clip's frames into the network's frame of 128 px and read them.

    Returns:
        The frames, RGB in [-1, 1], shape (T, 3, 128, 128), and what the network says of them.
    """
    frames = torch.cat([network_input(frame) for frame in clip]).to(device)
    readings = [network(part) for part in torch.split(frames, batch)]
    names = PocketReading.__dataclass_fields__
    joined = {name: torch.cat([getattr(reading, name) for reading in readings]) for name in names}
    return frames, PocketReading(**joined)


@torch.no_grad()
def make_conditions(inputs: Inputs, networks: Networks, *, attenuation: float, device: str) -> Conditions:
    """Read both faces, weaken the driver's code, and bend the identity image accordingly.

    Args:
        inputs: The case.
        networks: Networks whose outputs condition the denoiser.
        attenuation: Share of the driver's code that is to be drawn. Trained on noisy codes, the networks take a code
            for what its mean would be and draw less; that is made up for (Wiener's factor, turned round).
        device: Where to compute.

    Raises:
        NoFaceError: When the identity image, or every driving frame, shows no face.
    """
    image, own = read(networks.face, inputs.identity, device)
    _, driver = read(networks.face, inputs.driving, device)
    if float(own.presence[0]) < 0:
        raise NoFaceError("the identity image shows no face that fills the frame as pocket needs it")
    rows, held = _last_seen((driver.presence >= 0).tolist())
    count = len(rows)
    strength = attenuation * (1 + CODE_NOISE**2 / driver.code.new_tensor(CODE_VARIANCE))
    driving = scalars(
        strength * driver.code[rows],
        driver.pose[rows],
        own.code[:1].expand(count, -1),
        own.pose[:1].expand(count, -1),
    )
    landmarks = own.landmarks[:1].expand(count, -1, -1)
    goal = networks.motion(landmarks, driving)
    identity = networks.autoencoder.encode(warp(image.expand(count, -1, -1, -1), landmarks, goal))
    mean, variance = networks.prior(identity, driving)
    sketch = draw_sketch(goal, (identity.shape[2], identity.shape[3]))
    return Conditions(DenoiserInputs(identity, mean, variance, driving, sketch), inputs.driving.fps, held)


def _last_seen(seen: Sequence[bool]) -> tuple[list[int], int]:
    """For each frame the last one with a face (before the first: the first one), and how many have none."""
    if not any(seen):
        raise NoFaceError("no driving frame shows a face that fills the frame as pocket needs it")
    rows, last = [], list(seen).index(True)
    for frame, found in enumerate(seen):
        last = frame if found else last
        rows.append(last)
    return rows, len(seen) - sum(seen)
