"""HelloMeme v3 as a generator that tuners can open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...core.digest import array_digest, digest
from ...core.options import parse_options
from ...datasets.clip import Clip
from ...faces.base import Grade
from ...faces.checkpoints import check_device
from ..base import Animation, GeneratorBase, Inputs, MethodContext, StepCallback
from ..decoded import as_bytes
from ..diffusion import Epsilon, scaled_linear
from .architecture import LATENT_CHANNELS, REAL, STRIDE, TINY
from .conditions import Conditions, compute_conditions, shown_rows, with_conditions_only
from .inputs import CANVAS, FaceTools
from .maps import Maps, joined
from .networks import Networks
from .options import LORA_TARGETS, HelloMemeOptions
from .parts import Parts
from .samplers import WINDOW, CaseSampler, mirrored_adapters
from .schedule import Sampling, frame_noise
from .wiring import Given

CODE_VERSION = 2
OWNER = "method hellomeme"
_PROBE_CELLS, _PROBE_TIME = 16, 500
_DRY_TUNING_STEPS = 3
"""With random weights."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Some rows of a case that are denoised together, in the half with conditions.

    Attributes:
        text: Shape (1, K, D).
        given: What the adapters read for them.
    """

    text: Tensor
    given: Given


class HelloMeme(GeneratorBase):
    """HelloMeme v3: puts a driver's expression and head turn onto an identity image by diffusion.

    Args:
        options: See :class:`HelloMemeOptions`.
        context: Names the device.
    """

    name = "hellomeme"
    options_model = HelloMemeOptions
    latent_stride = STRIDE
    frame_size = CANVAS  # what it is given; it cuts its own frame out of that

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        self._options = own = parse_options(HelloMemeOptions, options, OWNER)
        check_device(context.device, OWNER)
        self._parts, self._progress = Parts(own, context.device), context.progress
        chosen = {"steps": own.sampling_steps, "precision": self._parts.precision}
        self.settings = own.model_dump(mode="json", exclude={"weights"}) | chosen
        self.lora_targets = LORA_TARGETS[own.lora_targets]
        self.parameterization = Epsilon(scaled_linear(), "leading", 1)
        self.grade = Grade.RANDOM if own.is_random else Grade.REAL
        tuning: dict[str, Any] = {"segment": WINDOW} | ({"steps": _DRY_TUNING_STEPS} if own.is_random else {})
        self.tuner_defaults: Mapping[str, Mapping[str, Any]] = {"strucbooth": tuning}
        self._side = (TINY if own.is_random else REAL).side

    @cached_property
    def revision(self) -> str:  # type: ignore[override]
        """Digest of code, options, precision and weights.

        Raises:
            WeightsError: When a file is missing.
        """
        settings = self._options.model_dump(mode="json", exclude={"weights", "precision"})
        return digest([self.name, CODE_VERSION, settings, self._parts.precision, self._parts.weights_digest()])

    @property
    def denoiser(self) -> nn.Module:
        """The image UNet; a clip's UNet shares its layers."""
        denoiser: nn.Module = self._networks.denoiser
        return denoiser

    @cached_property
    def _networks(self) -> Networks:
        return self._parts.load_networks()

    @cached_property
    def _tools(self) -> FaceTools:
        return self._parts.load_tools(self._options.faces(self._side))

    def animate(self, inputs: Inputs) -> Animation:
        """See :meth:`Generator.animate`."""
        return self.sample(self.condition(inputs), seed=inputs.seed)

    def condition(self, inputs: Inputs) -> Conditions:
        """Read the faces and run all encoders.

        Raises:
            NoFaceError: When the identity image or the driving clip shows no face.
        """
        chosen, shown = shown_rows(len(inputs.driving), float(inputs.driving.fps), self._options.fps)
        driving = Clip(inputs.driving.frames[chosen], Fraction(inputs.driving.fps))
        read = self._tools.prepare(inputs.identity, driving)
        random = torch.Generator().manual_seed(inputs.seed)
        conditions = compute_conditions(self._networks, read, self._options.words, shown, random)
        conditions.held = len(read.held)
        return conditions

    def made_frames(self, conditions: Conditions) -> Sequence[int]:
        """See :meth:`DiffusionGenerator.made_frames`: those that the option ``fps`` leaves."""
        return conditions.first_shown

    def select(self, conditions: Conditions, frames: Sequence[int]) -> Selection:
        """See :meth:`DiffusionGenerator.select`. A clip must have been sampled before: its frames pad the window."""
        rows = [conditions.shown[frame] for frame in frames]
        given = conditions.given(rows)
        if conditions.is_clip:
            own = self._row_pads(conditions)
            pads = joined([own[rows[0]], own[rows[-1]]], 1)
            given = replace(given, pads=pads.apply(lambda maps: maps.to(self._networks.device)))
        return Selection(conditions.text[-1:], with_conditions_only(given))

    def sample(self, conditions: Conditions, *, seed: int, on_step: StepCallback | None = None) -> Animation:
        """See :meth:`DiffusionGenerator.sample`. The first sampling of a case is kept: tuning a clip needs it."""
        random = torch.Generator().manual_seed(seed)
        frame_noise(random, 1, conditions.cells)  # upstream draws the reference's latents first
        with torch.no_grad():
            latents = self._sample(conditions, random, on_step)
            pixels = np.concatenate([as_bytes(self.decode(one[None])) for one in latents])
        if conditions.latents is None:
            conditions.latents = latents
        clip = Clip(pixels[list(conditions.shown)], conditions.canvas.fps)
        detail = {"generated_frames": len(latents), "held_frames": conditions.held}
        return Animation(clip, conditions.canvas, detail)

    def encode(self, frames: Tensor) -> Tensor:
        """See :meth:`DiffusionGenerator.encode`: the mode of the encoder's distribution."""
        with self._networks.on_device("encoder"):  # once for all frames
            return torch.cat([self._networks.encode(frame[None]) for frame in frames])

    def decode(self, latents: Tensor, run: int = 1) -> Tensor:  # noqa: ARG002 - each frame is decoded on its own
        """See :meth:`DiffusionGenerator.decode`."""
        return self._networks.decode(latents)

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Conditions | Selection) -> Tensor:
        """See :meth:`DiffusionGenerator.denoise`. Only the half with conditions is computed."""
        if isinstance(conditions, Conditions):
            conditions = self.select(conditions, self.made_frames(conditions))
        unet = self._networks.image if conditions.given.pads is None else self._networks.clip
        return unet(noisy[None], t, conditions.text, conditions.given)[0]

    def probe(self) -> str:
        """See :meth:`DiffusionGenerator.probe`."""
        random = torch.Generator().manual_seed(1)
        networks = self._networks
        latents = torch.randn((1, 1, LATENT_CHANNELS, _PROBE_CELLS, _PROBE_CELLS), generator=random)
        width: int = networks.denoiser.config.cross_attention_dim
        text = torch.randn((1, 4, width), generator=random)
        with torch.no_grad():
            t = torch.tensor(_PROBE_TIME, device=networks.device)
            answer = networks.image(latents.to(networks.device), t, text.to(networks.device), Given())
        return array_digest(answer.cpu().numpy())

    def _sample(self, conditions: Conditions, random: torch.Generator, on_step: StepCallback | None) -> Tensor:
        own, networks = self._options, self._networks
        first = conditions.latents is None
        scheduler = own.video_scheduler if conditions.is_clip else "dpm-sde"
        sampling = Sampling(scheduler, own.sampling_steps, own.guidance, random, self._told(on_step))
        sampler = CaseSampler(networks, conditions, sampling, {} if first or own.fresh_pads else conditions.pads)
        if not conditions.is_clip:
            return sampler.sample_image(frame_noise(random, 1, conditions.cells))
        noise = frame_noise(random, conditions.rows + WINDOW + 1, conditions.cells)
        mirrored = mirrored_adapters(networks.denoiser, networks.keyframes, wanted=own.lora_keyframes)
        with mirrored, networks.on_device("helper"):
            latents = sampler.sample_clip(noise)
        if first:
            conditions.pads = sampler.pads
        return latents

    def _told(self, on_step: StepCallback | None) -> StepCallback:
        """A callback that also says how far a sampling is; a clip has several, keyframes first."""

        def told(index: int, count: int, t: Tensor) -> None:
            if self._progress is not None:
                self._progress(index + 1, count, {})
            if on_step is not None:
                on_step(index, count, t)

        return told

    def _row_pads(self, conditions: Conditions) -> list[Maps]:
        """Features of each row as first sampled, computed once: the rows beside a window that a tuner chooses."""
        if conditions.latents is None:
            raise RuntimeError("a clip's conditions are of use for tuning after it was sampled")
        if not conditions.row_pads:
            networks, text = self._networks, conditions.text[-1:]
            with networks.on_device("helper"):
                for own in conditions.latents:
                    maps = networks.keyframes.features(own[None].to(networks.device), text)
                    conditions.row_pads.append(maps.apply(lambda one: one[:, None].cpu()))
        return conditions.row_pads
