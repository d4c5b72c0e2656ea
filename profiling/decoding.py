"""Memory and speed of the pixel part of one tuning step: patch-wise against global decoding."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..methods.strucbooth.gradients import GradientTarget, gradient_loss
from ..methods.strucbooth.losses import PixelTerm, pull_back
from ..methods.strucbooth.patches import Decode, PatchDecoder, Site, window
from .decoders import Subject
from .faces import FLAT
from .interleaved import Tell, interleave

EPS = 1e-2
"""StrucBooth's default in the cosine."""

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""As in tuning, weights stay in float32 and the decoder alone runs under autocast."""

Arm = Callable[[], Tensor]
"""One step: returns its gradient on the latents."""


@dataclass(frozen=True)
class ArmCost:
    """What one way to decode costs.

    Attributes:
        arm: Name of the arm.
        seconds: Wall time of every timed step, in order.
        median_seconds: Median wall time of a timed step.
        processor_seconds: Median of what this process itself computed in a step; unlike wall time it leaves out the
            waiting while other programs have the processor. On a GPU it is the host's share only.
        peak_bytes: Peak memory of one more step, above model, latents and guides.
        cosine_to_global: Cosine between the arm's gradient on the latents and that of global decoding.
    """

    arm: str
    seconds: list[float]
    median_seconds: float
    processor_seconds: float
    peak_bytes: int
    cosine_to_global: float


@dataclass(frozen=True)
class HaloDifference:
    """How far patches decoded alone are from the same windows of the whole frame, as means over the patches.

    Attributes:
        halo: Latent cells of context around each patch.
        gray_levels: Mean absolute difference, 0 to 255.
        extra_distance: 1 - cosine between the structural gradients of both, less what the eps in the cosine gives for
            equal ones; where the whole frame's gradient is not flat.
        decoded: Cells decoded for the six patches together, as a share of the frame's.
    """

    halo: int
    gray_levels: float
    extra_distance: float
    decoded: float


def arms(subject: Subject, halos: Sequence[int]) -> dict[str, Arm]:
    """The ways to get the gradient of the six patches' loss on the latents.

    Args:
        subject: Decoder, latents and patches.
        halos: Halos of the patches that are decoded alone; the patches that are kept together take the first.
    """
    alone = PatchDecoder(subject.decode, subject.stride, halos[0])
    whole = replace(alone, whole=True)
    sites = [Site(0, patch, 1 / len(subject.patches)) for patch in subject.patches]

    def step(terms: Sequence[PixelTerm]) -> Tensor:
        return pull_back(subject.latents, terms)[1]

    def at_once(latents: Tensor) -> Tensor:
        images = [alone.alone(latents, patch.cells) for patch in subject.patches]
        losses = [gradient_loss(own, patch.guide, EPS) for own, patch in zip(images, subject.patches, strict=True)]
        return torch.stack(losses).mean()

    def way(decoder: PatchDecoder) -> Arm:
        return lambda: step(decoder.terms(sites, EPS))

    ways = {"patch" + (f"+halo={halo}" if halo else ""): way(replace(alone, halo=halo)) for halo in halos}
    ways["global"] = way(whole)
    if subject.decode_tiled is not None:
        ways["tiled"] = way(replace(whole, decode=subject.decode_tiled))
    return ways | {"naive patch": lambda: step([PixelTerm("gradient", 1.0, at_once)])}


def at_precision(subject: Subject, precision: str) -> Subject:
    """The subject with its decoder under autocast; frames come out in float32, as gradients of images need it."""
    kind = PRECISIONS[precision]

    def under(decode: Decode) -> Decode:
        def cast(latents: Tensor) -> Tensor:
            context: AbstractContextManager[Any] = (
                nullcontext() if kind is None else torch.autocast(latents.device.type, kind)
            )
            with context:
                frames: Tensor = decode(latents)
            return frames.float()

        return cast

    own = subject.decode_tiled
    return replace(subject, decode=under(subject.decode), decode_tiled=under(own) if own is not None else None)


def measure_arms(ways: dict[str, Arm], steps: int, device: torch.device, tell: Tell) -> list[ArmCost]:
    """Time the arms in turns, after a warm-up in which their memory is measured.

    Args:
        ways: The arms; one is called "global".
        steps: Timed steps of each.
        device: Where they run.
        tell: Told after each step.
    """
    turns = interleave(ways, steps, device, tell)
    found = []
    for name, own in turns.items():
        middle = statistics.median(own.wall), statistics.median(own.processor)
        found.append(ArmCost(name, own.wall, *middle, own.peak_bytes, _cosine(own.first, turns["global"].first)))
    return found


def measure_halos(subject: Subject, halos: Sequence[int], tell: Tell) -> list[HaloDifference]:
    """Compare patches decoded alone with windows of the whole frame, for each halo."""
    with torch.no_grad():
        whole = subject.decode(subject.latents)
        found = []
        for done, halo in enumerate(halos, 1):
            found.append(_difference(subject, PatchDecoder(subject.decode, subject.stride, halo), whole))
            tell(done, len(halos))
    return found


def as_data(costs: Sequence[ArmCost], halos: Sequence[HaloDifference], subject: Subject) -> dict[str, Any]:
    """The measurements as plain data."""
    return {
        "weights": subject.weights,
        "decoder_parameters": subject.parameters,
        "latent_shape": list(subject.latents.shape),
        "landmarks": subject.landmarks,
        "regions": {patch.region: asdict(patch.cells) for patch in subject.patches},
        "frame_covered": subject.covered,
        "tile": subject.tile,
        "arms": [asdict(cost) for cost in costs],
        "halos": [asdict(halo) for halo in halos],
    }


def _difference(subject: Subject, decoder: PatchDecoder, whole: Tensor) -> HaloDifference:
    height, width = subject.latents.shape[2:]
    levels, distances, cells = 0.0, 0.0, 0
    for patch in subject.patches:
        alone, within = decoder.alone(subject.latents, patch.cells), window(whole, patch.cells, subject.stride)
        guide = GradientTarget.of_patch(within, flat=FLAT, by_norm=False)
        levels += float((alone - within).abs().mean()) * 127.5
        distances += float(gradient_loss(alone, guide, EPS) - gradient_loss(within, guide, EPS))
        own, halo = patch.cells, decoder.halo
        rows = min(height, own.bottom + halo) - max(0, own.top - halo)
        cells += rows * (min(width, own.right + halo) - max(0, own.left - halo))
    count = len(subject.patches)
    return HaloDifference(decoder.halo, levels / count, distances / count, cells / (height * width))


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(F.cosine_similarity(one.flatten(), other.flatten(), dim=0))
