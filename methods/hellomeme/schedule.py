"""The denoising loop that images and clips share. Latents and noise stay on the CPU, in float32, frames first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler
from torch import Tensor

from ..base import StepCallback

SchedulerName = Literal["euler", "dpm-sde"]
Predict = Callable[[Tensor, Tensor], Tensor]
"""From latents (F, 4, h, w) and a time step () to the noise in them, (B, F, 4, h, w): without and with the conditions,
or only with them."""

BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


def make_scheduler(name: SchedulerName) -> Any:
    """The schedulers as HelloMeme sets them up; the base model's own is not asked."""
    if name == "euler":
        return EulerDiscreteScheduler(**BETAS)
    return DPMSolverMultistepScheduler(**BETAS, algorithm_type="sde-dpmsolver++")


@dataclass(frozen=True, eq=False)
class Sampling:
    """How latents are sampled.

    Attributes:
        scheduler: Its name.
        steps: Their number.
        guidance: Scale of classifier-free guidance.
        random: Where schedulers that add noise draw it; a CPU generator, so that a seed means the same everywhere.
        on_step: Told of each step.
    """

    scheduler: SchedulerName
    steps: int
    guidance: float
    random: torch.Generator
    on_step: StepCallback | None = None

    def denoise(self, noise: Tensor, predict: Predict) -> Tensor:
        """Sample from standard noise, shape (F, 4, h, w), to clean latents of that shape."""
        scheduler = make_scheduler(self.scheduler)
        scheduler.set_timesteps(self.steps)
        latents: Tensor = noise * scheduler.init_noise_sigma
        for index, t in enumerate(scheduler.timesteps):
            if self.on_step is not None:
                self.on_step(index, self.steps, t.round().long().reshape(1))
            found = predict(scheduler.scale_model_input(latents, t), t)
            found = self._guided(found)
            latents = scheduler.step(found, t, latents, generator=self.random, return_dict=False)[0]
        return latents

    def _guided(self, found: Tensor) -> Tensor:
        found = found.cpu().float()  # the one wait of a step
        without, with_conditions = found[0], found[-1]
        return without + self.guidance * (with_conditions - without)


def frame_noise(random: torch.Generator, frames: int, cells: int) -> Tensor:
    """Standard noise of some frames, drawn channels first as upstream does, shape (frames, 4, cells, cells)."""
    return torch.randn((4, frames, cells, cells), generator=random).transpose(0, 1)
