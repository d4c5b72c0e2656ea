"""The embedded generator: small enough for two CPU cores, of the shape of the real ones, and open to tuners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from ...core.digest import array_digest, cached_sha256
from ...core.options import Options, parse_options
from ...datasets.clip import Clip
from ...faces.backends.pocket import SIZE
from ...faces.backends.pocket import WEIGHTS as FACE_WEIGHTS
from ...faces.networks.pocket import load_pocket_face
from ..base import Animation, DiffusionGenerator, Inputs, MethodContext, StepCallback
from ..diffusion import VPrediction, scaled_linear
from ..pixels import to_pixels
from . import autoencoder, motion, prior, unet
from .code import ATTENUATION
from .conditions import Conditions, Networks, make_conditions
from .sampling import Sampling, sample_latents
from .sketch import draw_sketch

CODE_VERSION = 6
TUNING: Mapping[str, Any] = {
    "steps": 30,
    "learning_rate": 1.5e-3,
    "gradient_weight": 5.0,
    "identity_weight": 1.0,
    "eps": 0.3,
    "boxes": "anchored",
    "weighting": "norm",
    "timesteps": (0.5, 1.0),
    "window": 0.5,
    "segment": 4,
    "frames": 2,
}
"""Where StrucBooth's settings differ from the paper's for this small generator.

Chosen on cases of people of no suite; the model card tells what was tried. ``eps`` is an edge of 9.6 gray levels.
"""


class PocketOptions(Options):
    """Options of pocket.

    Attributes:
        attenuation: Share of the driver's coarse expression code that the generator is given. Below 1 it loses
            expression on purpose, so that a tuner has something to put back.
        steps: Sampling steps.
        temperature: Standard deviation of the noise that sampling starts from. Below 1 less is left to chance where
            the code says nothing.
        eta: Share of fresh noise in a step: 0 is DDIM, 1 is DDPM.
        late: Share of the steps, the last ones, that ``eta`` is about.
        guidance: Scale of guidance by the drawing of where the landmarks are to be: 1 is none, above 1 each step goes
            that much further from the answer without the drawing, for a second call of the denoiser.
    """

    attenuation: float = Field(default=ATTENUATION, ge=0, le=1)
    steps: int = Field(default=Sampling.steps, ge=1, le=1000)
    temperature: float = Field(default=Sampling.temperature, ge=0, le=1)
    eta: float = Field(default=Sampling.eta, ge=0, le=1)
    late: float = Field(default=Sampling.late, ge=0, le=1)
    guidance: float = Field(default=Sampling.guidance, ge=1, le=10)

    @property
    def sampling(self) -> Sampling:
        """The sampler's settings."""
        return Sampling(self.steps, self.temperature, self.eta, self.late, self.guidance)


class Pocket(DiffusionGenerator):
    """A latent-diffusion portrait animator for renders of 128 px, trained by this package on imagined people.

    The embedded face network reads the identity image and the driving clip, which one upright face must fill as in
    the embedded suites. Output frames have 128 px. Frames of a clip share their noise.

    Args:
        options: See :class:`PocketOptions`.
        context: Says on which device.
    """

    name = "pocket"
    options_model = PocketOptions
    frame_size = SIZE
    parameterization = VPrediction(scaled_linear())
    lora_targets = r".*(to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2|proj_in|proj_out|conv1|conv2|conv)"
    latent_stride = autoencoder.STRIDE
    tuner_defaults: Mapping[str, Mapping[str, Any]] = {"strucbooth": TUNING}

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        self._options = parse_options(PocketOptions, options, "method pocket")
        self.settings = self._options.model_dump(mode="json")
        self._device = context.device

    def fingerprint(self) -> Mapping[str, Any]:
        """Code version, options and the digests of all weights."""
        weights = [autoencoder.WEIGHTS, motion.WEIGHTS, prior.WEIGHTS, unet.WEIGHTS, FACE_WEIGHTS]
        return {
            "name": self.name,
            "code": CODE_VERSION,
            "options": self._options.model_dump(),
            "weights": {path.name: cached_sha256(path) for path in weights},
        }

    def animate(self, inputs: Inputs) -> Animation:
        """Animate the identity image.

        Raises:
            NoFaceError: When the identity image, or every driving frame, shows no face. Single driving frames without
                one repeat the frame before; their number is recorded as ``held_frames``.
        """
        return self.sample(self.condition(inputs), seed=inputs.seed)

    def condition(self, inputs: Inputs) -> Conditions:
        """Compute all that depends on the case alone; see :meth:`DiffusionGenerator.condition`."""
        return make_conditions(inputs, self._networks, attenuation=self._options.attenuation, device=self._device)

    def made_frames(self, conditions: Conditions) -> Sequence[int]:
        """See :meth:`DiffusionGenerator.made_frames`: all."""
        return range(len(conditions.given.identity))

    def select(self, conditions: Conditions, frames: Sequence[int]) -> Conditions:
        """Conditions of some neighbouring frames; see :meth:`DiffusionGenerator.select`."""
        return conditions[frames]

    def sample(self, conditions: Conditions, *, seed: int, on_step: StepCallback | None = None) -> Animation:
        """Generate by normal sampling; see :meth:`DiffusionGenerator.sample`."""
        latents = sample_latents(self._denoiser, conditions.given, self._options.sampling, seed=seed, on_step=on_step)
        with torch.no_grad():
            pixels = to_pixels(self.decode(latents))
        return Animation(Clip(pixels, conditions.fps), detail={"held_frames": conditions.held})

    def resume(self, conditions: Conditions, base: Animation) -> bool:  # noqa: ARG002 - sampling leaves nothing
        """See :meth:`DiffusionGenerator.resume`: conditions are the same before and after sampling."""
        return True

    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames; see :meth:`DiffusionGenerator.encode`."""
        return self._networks.autoencoder.encode(frames.to(self._device))

    def decode(self, latents: Tensor, run: int = 1) -> Tensor:  # noqa: ARG002 - each frame is decoded on its own
        """Frames of latents, differentiable; see :meth:`DiffusionGenerator.decode`."""
        return self._networks.autoencoder.decode(latents)

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """The model's prediction for noisy latents; see :meth:`DiffusionGenerator.denoise`."""
        velocity: Tensor = self._denoiser(noisy, t.expand(len(noisy)), conditions.given)
        return velocity

    def probe(self) -> str:
        """Digest of the denoiser's output for a fixed input; see :meth:`DiffusionGenerator.probe`."""
        numbers = torch.linspace(-2, 2, autoencoder.CHANNELS * 64, device=self._device)
        latents = numbers.sin().reshape(1, autoencoder.CHANNELS, 8, 8)
        driving = torch.linspace(-1, 1, motion.SCALARS, device=self._device)[None]
        t = torch.tensor([500], device=self._device)
        sketch = draw_sketch(torch.linspace(8, 119, 136, device=self._device).reshape(1, 68, 2), (8, 8))
        given = unet.DenoiserInputs(latents.flip(3), latents.flip(2), torch.full_like(latents, 0.5), driving, sketch)
        with torch.no_grad():
            return array_digest(self._denoiser(latents, t, given).cpu().numpy())

    @property
    def denoiser(self) -> torch.nn.Module:  # type: ignore[override]
        """The UNet alone: a plain diffusers model, so that adapters tuned on it load in diffusers."""
        unet_alone: torch.nn.Module = self._denoiser.unet
        return unet_alone

    @cached_property
    def _denoiser(self) -> unet.PocketDenoiser:
        return unet.load_denoiser(device=self._device)

    @cached_property
    def _networks(self) -> Networks:
        device = self._device
        return Networks(
            load_pocket_face(device=device),
            motion.load_motion(device=device),
            autoencoder.load_autoencoder(device=device),
            prior.load_prior(device=device),
        )
