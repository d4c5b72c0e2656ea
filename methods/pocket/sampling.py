"""How pocket samples: diffusers' DDIM, guided by the sketch, with fresh noise in its late steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..base import StepCallback
from .autoencoder import CHANNELS

if TYPE_CHECKING:
    from .unet import DenoiserInputs

    Denoiser = Callable[[Tensor, Tensor, DenoiserInputs], Tensor]


@dataclass(frozen=True)
class Sampling:
    """Settings of the sampler.

    Attributes:
        steps: How many. The prior already knows most of a picture: ten were as good as 25 (model card).
        temperature: Standard deviation of the noise that sampling starts from. Below 1 less is left to chance where
            the code says nothing; guidance gives mouths the edges back that this takes.
        eta: Share of fresh noise in a step, as in diffusers: 0 is DDIM, 1 is DDPM. It mends what earlier steps left.
        late: Share of the steps, the last ones, that ``eta`` is about: the early ones have settled by then where
            things are, and what a tuner has changed there stays (a range as Karras et al. 2022 give theirs).
        guidance: Scale of guidance by the sketch, 1 is none: each step goes that much further from the answer without a
            sketch than the answer with it does (Ho & Salimans 2021). The denoiser is not trained without: its answer is
            a bad one, which is what guides well (Karras et al. 2024, autoguidance). It takes a second call of it.
    """

    steps: int = 10
    temperature: float = 0.5
    eta: float = 1.0
    late: float = 0.5
    guidance: float = 1.75

    def eta_of(self, index: int) -> float:
        """Share of fresh noise in a step."""
        return self.eta if index >= self.steps * (1 - self.late) else 0.0


def make_scheduler() -> Any:
    """Diffusers' DDIM scheduler: v prediction over 1000 scaled-linear steps, sampled at trailing ones."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


@torch.no_grad()
def sample_latents(
    denoiser: Denoiser,
    given: DenoiserInputs,
    sampling: Sampling,
    *,
    seed: int,
    on_step: StepCallback | None = None,
) -> Tensor:
    """Sample latents; all frames of a clip share their noise.

    Args:
        denoiser: In evaluation mode; answers v.
        given: What is known of the frames.
        sampling: Settings of the sampler.
        seed: Decides all noise, drawn on the CPU.
        on_step: Told before each step.

    Returns:
        Shape (N, 8, h, w), as ``given.identity``.
    """
    generator = torch.Generator().manual_seed(seed)
    like = given.identity

    def noise() -> Tensor:
        return torch.randn((1, CHANNELS, *like.shape[2:]), generator=generator).to(like.device).expand_as(like)

    scheduler = make_scheduler()
    scheduler.set_timesteps(sampling.steps)
    latents = sampling.temperature * noise()
    for index, t in enumerate(scheduler.timesteps.to(like.device)):
        if on_step is not None:
            on_step(index, sampling.steps, t[None])
        velocity = _guided(denoiser, latents, t.expand(len(latents)), given, sampling.guidance)
        eta = sampling.eta_of(index)
        fresh = noise() if eta > 0 else None
        latents = scheduler.step(velocity, int(t), latents, eta=eta, variance_noise=fresh).prev_sample
    return latents


def _guided(denoiser: Denoiser, latents: Tensor, t: Tensor, given: DenoiserInputs, scale: float) -> Tensor:
    """The denoiser's answer, moved away from the one that it gives without a sketch."""
    velocity = denoiser(latents, t, given)
    if scale == 1:
        return velocity
    without = denoiser(latents, t, replace(given, sketch=torch.zeros_like(given.sketch)))
    return without + scale * (velocity - without)
