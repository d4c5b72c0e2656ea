"""Cases of people of no suite with their ideal outputs, and a denoiser's samples of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ....datasets.clip import Frame
from ....datasets.manifest import SuiteKind
from ....faces.networks.pocket import load_pocket_face
from ...base import Inputs
from .. import unet
from ..autoencoder import load_autoencoder
from ..code import ATTENUATION
from ..conditions import Networks, make_conditions
from ..motion import load_motion
from ..prior import load_prior
from ..sampling import Sampling, sample_latents
from .suites import Cast, Studio
from .train_autoencoder import to_tensor


@dataclass(frozen=True, eq=False)
class EvaluationCase:
    """One case and what should come out of it.

    Attributes:
        inputs: What the generator is given.
        ideal: The identity person with the driver's expression and pose.
        coarse: Ideal output with only the part of the expression that the code tells.
    """

    inputs: Inputs
    ideal: Frame
    coarse: Frame


def render_cases(studio: Studio, cast: Cast, count: int) -> list[EvaluationCase]:
    """Cases of two people each, strong expressions."""
    cases = []
    for index in range(count):
        own, act = cast.identity(index), studio.act(SuiteKind.CROSS_IMAGE, index)
        identity, driving = studio.film(own, [studio.rest(own)]), studio.film(cast.driver(index), act)
        ideal = studio.film(own, act)
        coarse = studio.film(own, [(studio.coarse(weights), pose) for weights, pose in act])
        inputs = Inputs(f"case {index}", identity, driving, seed=index)
        cases.append(EvaluationCase(inputs, ideal.frames[0], coarse.frames[0]))
    return cases


class Sampler:
    """Draws all cases with any denoiser; what depends on the cases alone is computed once.

    Args:
        cases: What to draw.
        device: Where to compute.
        sampling: Settings of the sampler; None: the generator's.
    """

    def __init__(self, cases: Sequence[EvaluationCase], device: str, sampling: Sampling | None = None) -> None:
        self._device, self._sampling = device, sampling or Sampling()
        self._autoencoder = load_autoencoder(device=device)
        networks = Networks(
            load_pocket_face(device=device), load_motion(device=device), self._autoencoder, load_prior(device=device)
        )
        self._given = [
            make_conditions(case.inputs, networks, attenuation=ATTENUATION, device=device).given for case in cases
        ]
        self._seeds = [case.inputs.seed for case in cases]

    def draw(self, denoiser: unet.PocketDenoiser) -> list[Frame]:
        """Sample each case once, as the generator does."""
        return [
            self._decode(sample_latents(denoiser, given, self._sampling, seed=seed))
            for given, seed in zip(self._given, self._seeds, strict=True)
        ]

    def rebuilt(self, frame: Frame) -> Frame:
        """A frame through the autoencoder."""
        with torch.no_grad():
            return self._decode(self._autoencoder.encode(to_tensor(frame[None], self._device)))

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> Frame:
        pixels = (self._autoencoder.decode(latents)[0].clamp(-1, 1) + 1) * 127.5
        frame: Frame = pixels.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return frame
