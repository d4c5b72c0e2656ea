"""Time and memory of one tuning step of StrucBooth: patch-wise and global decoding, without and with identity loss."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..methods.strucbooth.config import StrucBoothConfig
from .interleaved import ClockReading, Tell, Timings, interleave
from .tuning_arms import StepParts, TuningArm
from .tuning_subject import TuningSubject


@dataclass(frozen=True)
class Seconds:
    """Medians over the timed steps.

    Attributes:
        wall: Wall time, in seconds.
        processor: Processor time of this process, in seconds; see :class:`ClockReading`.
    """

    wall: float
    processor: float


@dataclass(frozen=True)
class StepCost:
    """What one arm's step costs.

    Attributes:
        arm: Name of the arm.
        seconds: Wall time of every timed step, in order.
        median_seconds: Median wall time of a timed step.
        processor_seconds: Median processor time of this process in a timed step.
        peak_bytes: Peak memory of one more step, above model, latents and guides; gradients and the optimizer's state
            count.
        parts: How a step's time splits. What is left of it draws noise.
    """

    arm: str
    seconds: list[float]
    median_seconds: float
    processor_seconds: float
    peak_bytes: int
    parts: dict[str, Seconds]


@dataclass(frozen=True)
class SamplingCost:
    """What one whole sampling costs.

    Attributes:
        steps: Steps of each denoising loop.
        loops: Denoising loops: one for an image, more for a clip.
        guidance: Scale of classifier-free guidance; above 1 each step goes through the denoiser with a batch of two.
        seconds: Wall time, decoding included.
        processor_seconds: Processor time of this process.
    """

    steps: int
    loops: int
    guidance: float
    seconds: float
    processor_seconds: float


def measure_steps(ways: Mapping[str, TuningArm], steps: int, device: torch.device, tell: Tell) -> list[StepCost]:
    """Time the arms in turns, after a warm-up in which their memory is measured.

    Args:
        ways: The arms.
        steps: Timed steps of each.
        device: Where they run.
        tell: Told after each step.
    """
    turns = interleave({name: arm.step for name, arm in ways.items()}, steps, device, tell)
    return [_cost(name, own) for name, own in turns.items()]


def measure_sampling(subject: TuningSubject, seed: int, tell: Tell) -> SamplingCost:
    """Time one whole sampling with the method's default steps and guidance, from noise to frames.

    Args:
        subject: What samples, made with ``samples=True``, without adapters in it.
        seed: Seed of the noise.
        tell: Told before each denoising step: its number within the loop, and their number.
    """
    loops: list[int] = []  # the steps of each

    def on_step(index: int, steps: int, _t: torch.Tensor) -> None:
        if index == 0:
            loops.append(steps)
        tell(index + 1, steps)

    conditions = subject.fresh_conditions()
    start = ClockReading.now(subject.generator.place)
    subject.generator.sample(conditions, seed=seed, on_step=on_step)
    spent = ClockReading.now(subject.generator.place).since(start)
    settings = subject.generator.settings
    guidance = settings.get("guidance", settings.get("motion_guidance"))
    return SamplingCost(loops[0], len(loops), guidance, spent.wall, spent.processor)


def as_data(costs: Sequence[StepCost], sampling: SamplingCost | None) -> dict[str, Any]:
    """The measurements as plain data, and what a whole tuning would take at the steps' rate."""
    full = StrucBoothConfig().steps
    return {
        "arms": [asdict(cost) for cost in costs],
        "full_steps": full,
        "full_seconds": {cost.arm: full * cost.median_seconds for cost in costs},
        "sampling": None if sampling is None else asdict(sampling),
    }


def _cost(name: str, turns: Timings[StepParts]) -> StepCost:
    parts = {
        part: Seconds(
            statistics.median(one[part].wall for one in turns.found),
            statistics.median(one[part].processor for one in turns.found),
        )
        for part in turns.first
    }
    middle = statistics.median(turns.wall), statistics.median(turns.processor)
    return StepCost(name, turns.wall, *middle, turns.peak_bytes, parts)
