"""How pocket samples: diffusers' DDIM, with fresh noise in its late steps, more of it at the lips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base import StepCallback
from .autoencoder import CHANNELS
from .sketch import LIPS

if TYPE_CHECKING:
    from .unet import DenoiserInputs


@dataclass(frozen=True)
class Sampling:
    """Settings of the sampler.

    Attributes:
        steps: How many. The prior already knows most of a picture: ten were as good as 25 (model card).
        temperature: Standard deviation of the noise that sampling starts from. Below 1 less is left to chance where
            the code says nothing, and mouths lose their edges.
        eta: Share of fresh noise in a step, as in diffusers: 0 is DDIM, 1 is DDPM. It mends what earlier steps left.
        late: Share of the steps, the last ones, that ``eta`` is about: the early ones have settled by then where
            things are, and what a tuner has changed there stays (a range as Karras et al. 2022 give theirs).
        unknown: Share of what the prior does not know of the lips' clean latents that goes into the late steps' noise.
            DDPM's own noise is right for clean latents that are known; at 0, few steps leave too smooth what is not
            (Bao et al. 2022, Analytic-DPM, where the share is 1 everywhere). Everywhere, hair and outlines got rough.
    """

    steps: int = 10
    temperature: float = 1.0
    eta: float = 1.0
    late: float = 0.5
    unknown: float = 1.0

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
    denoiser: Callable[[Tensor, Tensor, DenoiserInputs], Tensor],
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
        velocity = denoiser(latents, t.expand(len(latents)), given)
        eta = sampling.eta_of(index)
        fresh = noise() if eta > 0 else None
        latents = scheduler.step(velocity, int(t), latents, eta=eta, variance_noise=fresh).prev_sample
        if eta > 0 and sampling.unknown > 0 and index + 1 < sampling.steps:
            after = int(scheduler.timesteps[index + 1])
            missing = _missing_deviation(scheduler.alphas_cumprod, given, int(t), after, eta, sampling.unknown)
            latents = latents + missing * noise()
    return latents


def _missing_deviation(alphas: Tensor, given: DenoiserInputs, t: int, after: int, eta: float, share: float) -> Tensor:
    """Deviation of the noise that a step lacks at the lips, since it takes estimated clean latents for the true ones.

    A step's result depends on the clean latents by some factor; their variance given the noisy ones, which follows from
    the prior's by Bayes' rule, comes in by its square.

    Args:
        alphas: Share of signal by training time.
        given: What is known of the frames.
        t: Time of the step.
        after: Time of the next one.
        eta: Share of fresh noise.
        share: Of the variance.
    """
    now, then = float(alphas[t]), float(alphas[after])
    fresh = eta**2 * (1 - then) / (1 - now) * (1 - now / then)
    factor = then**0.5 - ((1 - then - fresh) * now / (1 - now)) ** 0.5
    variance = given.variance * (1 - now) / (1 - now + given.variance * now)
    lips = F.max_pool2d(given.sketch[:, LIPS].amax(dim=1, keepdim=True), 3, stride=1, padding=1)
    missing: Tensor = lips * factor * (share * variance).sqrt()
    return missing
