"""HelloMeme v3 as a generator that tuners can open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...core.checkpoints import check_device
from ...core.digest import array_digest
from ...core.download import DownloadProgress, FetchReport
from ...core.hub import fetch_parts
from ...core.options import parse_options
from ...core.weights import WeightFile
from ...datasets.clip import Clip
from ...faces.base import Grade
from ..base import Animation, DiffusionGenerator, Inputs, MethodContext, StepCallback
from ..diffusion import Epsilon, scaled_linear
from ..pixels import to_pixels
from ..published import NOT_DECISIVE
from .adapted_unet import AdapterInputs
from .architecture import LATENT_CHANNELS, REAL, STRIDE, TINY
from .conditions import Conditions, compute_conditions, shown_rows
from .feature_maps import Maps, joined
from .inputs import CANVAS, FaceTools
from .inspection import inspect
from .networks import Networks
from .options import LORA_TARGETS, HelloMemeOptions
from .published import Parts
from .samplers import WINDOW, CaseSampler, keyframe_pads, mirrored_adapters
from .schedule import Sampling, frame_noise
from .weights import needed

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
    given: AdapterInputs


class HelloMeme(DiffusionGenerator):
    """HelloMeme v3: puts a driver's expression and head turn onto an identity image by diffusion.

    Args:
        options: See :class:`HelloMemeOptions`.
        context: Names the device.
    """

    name = "hellomeme"
    options_model = HelloMemeOptions
    latent_stride = STRIDE
    has_tiled_decoding = True
    frame_size = CANVAS  # what it is given; it cuts its own frame out of that

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        self._options = own = parse_options(HelloMemeOptions, options, OWNER)
        check_device(context.device, OWNER)
        self._parts = Parts(own, context.device, is_memory_short=context.is_memory_short)
        self._progress = context.progress
        chosen = {"steps": own.sampling_steps, "precision": self._parts.precision}
        self.settings = own.model_dump(mode="json", exclude={"weights"}) | chosen
        self.lora_targets = LORA_TARGETS[own.lora_targets]
        self.parameterization = Epsilon(scaled_linear(), "leading", 1)
        self.grade = Grade.RANDOM if own.is_random else Grade.REAL
        tuning: dict[str, Any] = {"segment": WINDOW} | ({"steps": _DRY_TUNING_STEPS} if own.is_random else {})
        self.tuner_defaults: Mapping[str, Mapping[str, Any]] = {"strucbooth": tuning}
        self._side = (TINY if own.is_random else REAL).side

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> list[WeightFile]:
        """All published files that any style and control need; see :meth:`Component.weight_files`."""
        given = parse_options(HelloMemeOptions, options, OWNER)
        if given.is_random:
            return []
        folder = Path(given.weights) if given.weights else None
        return [file for part in needed() for file in inspect(part, folder)]

    @classmethod
    def fetch_weights(cls, to: Path | None, progress: DownloadProgress | None = None) -> FetchReport:
        """See :meth:`Component.fetch_weights`; without a folder into the Hugging Face cache."""
        return fetch_parts(needed(), to, progress)

    def fingerprint(self) -> Mapping[str, Any]:
        """Code version, options, precision and the digests of all weights.

        Raises:
            WeightsError: When a file is missing.
        """
        return {
            "name": self.name,
            "code": CODE_VERSION,
            "options": self._options.model_dump(mode="json", exclude=NOT_DECISIVE),
            "precision": self._parts.precision,
            "weights": self._parts.weights_digests,
        }

    @property
    def denoiser(self) -> nn.Module:  # type: ignore[override]
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
        """Animate one case; see :meth:`Generator.animate`."""
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
        pads = None
        if conditions.is_clip:
            own = self._row_pads(conditions)
            pads = joined([own[rows[0]], own[rows[-1]]], 1)
        return Selection(conditions.text[-1:], conditions.given(rows, pads, self._networks.device, both=False))

    def sample(self, conditions: Conditions, *, seed: int, on_step: StepCallback | None = None) -> Animation:
        """See :meth:`DiffusionGenerator.sample`. The first sampling of a case is kept: tuning a clip needs it."""
        random = torch.Generator().manual_seed(seed)
        frame_noise(random, 1, conditions.cells)  # upstream draws the reference's latents first
        with torch.no_grad():
            latents = self._sample(conditions, random, on_step)
            # Rounded, where upstream cuts the fraction off: half a gray level on the mean, stated in the README.
            pixels = np.concatenate([to_pixels(self.decode(one[None])) for one in latents])
        state: dict[str, Tensor] = {}
        if conditions.latents is None:
            conditions.latents = latents
            state = _state(conditions)
        clip = Clip(pixels[list(conditions.shown)], conditions.canvas.fps)
        detail = {"generated_frames": len(latents), "held_frames": conditions.held}
        return Animation(clip, conditions.canvas, detail, state)

    def resume(self, conditions: Conditions, base: Animation) -> bool:
        """See :meth:`DiffusionGenerator.resume`: of a clip the latents of its first sampling have to be there."""
        if not conditions.is_clip:
            return True
        if not {"latents", "keyframes", "keyframe_rows"} <= base.state.keys():
            return False
        networks, state = self._networks, base.state
        conditions.latents = state["latents"]
        conditions.keyframes = dict(zip(state["keyframe_rows"].tolist(), state["keyframes"], strict=True))
        with torch.no_grad(), networks.on_device("helper"):
            conditions.pads = {
                row: keyframe_pads(networks, own, conditions.text) for row, own in conditions.keyframes.items()
            }
        return True

    def prime(self, conditions: Conditions, *, seed: int) -> None:
        """See :meth:`DiffusionGenerator.prime`: with ``fresh_pads=false`` a clip's windows read the first keyframes."""
        if conditions.is_clip and not self._options.fresh_pads:
            self.sample(conditions, seed=seed)

    def encode(self, frames: Tensor) -> Tensor:
        """See :meth:`DiffusionGenerator.encode`: the mode of the encoder's distribution."""
        with self._networks.on_device("encoder"):  # once for all frames
            return torch.cat([self._networks.encode(frame[None]) for frame in frames])

    def decode(self, latents: Tensor, run: int = 1) -> Tensor:  # noqa: ARG002 - each frame is decoded on its own
        """Frames of latents, differentiable; see :meth:`DiffusionGenerator.decode`."""
        return self._networks.decode(latents)

    def decode_tiled(self, latents: Tensor, cells: int) -> Tensor:
        """See :meth:`DiffusionGenerator.decode_tiled`: diffusers' own tiles."""
        return self._networks.decode_tiled(latents, cells)

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Conditions | Selection) -> Tensor:
        """See :meth:`DiffusionGenerator.denoise`. Only the half with conditions is computed."""
        if isinstance(conditions, Conditions):
            conditions = self.select(conditions, self.made_frames(conditions))
        unet = self._networks.image if conditions.given.pads is None else self._networks.clip
        return unet(noisy[None], t, conditions.text, conditions.given)[0]

    def denoising_modules(self, conditions: Conditions) -> Sequence[nn.Module]:
        """See :meth:`DiffusionGenerator.denoising_modules`: a clip has a UNet of its own, made of the same layers."""
        return ((self._networks.clip if conditions.is_clip else self._networks.image).unet,)

    def probe(self) -> str:
        """Digest of the denoiser's output for a fixed input; see :meth:`DiffusionGenerator.probe`."""
        random = torch.Generator().manual_seed(1)
        networks = self._networks
        latents = torch.randn((1, 1, LATENT_CHANNELS, _PROBE_CELLS, _PROBE_CELLS), generator=random)
        width: int = networks.denoiser.config.cross_attention_dim
        text = torch.randn((1, 4, width), generator=random)
        with torch.no_grad():
            t = torch.tensor(_PROBE_TIME, device=networks.device)
            answer = networks.image(latents.to(networks.device), t, text.to(networks.device), AdapterInputs())
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
            conditions.pads, conditions.keyframes = sampler.pads, sampler.keyframes
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


def _state(conditions: Conditions) -> dict[str, Tensor]:
    """What tuning a clip needs of its first sampling; nothing of an image."""
    if not conditions.is_clip or conditions.latents is None:
        return {}
    rows = sorted(conditions.keyframes)
    return {
        "latents": conditions.latents,
        "keyframes": torch.stack([conditions.keyframes[row] for row in rows]),
        "keyframe_rows": torch.tensor(rows),
    }
