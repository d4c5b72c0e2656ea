"""HunyuanPortrait as a generator that tuners can open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...core.checkpoints import check_device
from ...core.digest import array_digest
from ...core.download import DownloadProgress, FetchReport
from ...core.errors import ConfigError
from ...core.hub import fetch_files
from ...core.options import parse_options
from ...core.weights import WeightFile
from ...datasets.clip import Clip
from ...faces.backends.yoloface import YoloFace
from ...faces.base import Grade
from ..base import Animation, DiffusionGenerator, Inputs, MethodContext, StepCallback
from ..pixels import to_pixels
from ..published import NOT_DECISIVE
from .architecture import LATENT_CHANNELS, REAL, STRIDE, TINY
from .conditions import PADS, Conditions, Selection, compute_conditions
from .crops import paste_back
from .dry_run_faces import stand_in_detector
from .face_boxes import DetectedFaces, FaceSource, ObservedFaces
from .guidance import branches, combined, stacked
from .inspection import inspect
from .networks import SCALE, Networks
from .options import HunyuanPortraitOptions
from .preprocessing import CANVAS, preprocess
from .published import Parts
from .sampler import Windows, sample
from .schedule import VideoNoise
from .weights import FILES, NOTICE, OWNER

CODE_VERSION = 1
DECODED_FRAMES = 8
"""Neighbouring frames that are decoded together; the decoder mixes them."""
_PROBE_CELLS, _PROBE_FRAMES, _PROBE_LEVEL = 8, 2, 1.0
_DRY_TUNING_STEPS = 3
"""With random weights."""


class HunyuanPortrait(DiffusionGenerator):
    """HunyuanPortrait: puts a driver's expression and head turn onto an identity image by video diffusion.

    Args:
        options: See :class:`HunyuanPortraitOptions`.
        context: Names the device, and lends the run's face models for ``face_boxes=run``.
    """

    name = "hunyuanportrait"
    options_model = HunyuanPortraitOptions
    latent_stride = STRIDE
    parameterization: VideoNoise
    frame_size = CANVAS  # what it is given; it cuts its own frame out of that
    licence = NOTICE

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        self._options = own = parse_options(HunyuanPortraitOptions, options, OWNER)
        check_device(context.device, OWNER)
        self._parts, self._context = Parts(own, context.device, is_memory_short=context.is_memory_short), context
        chosen = {"steps": own.sampling_steps, "precision": self._parts.precision}
        self.settings = own.model_dump(mode="json", exclude={"weights"}) | chosen
        self.lora_targets = own.lora_targets
        self.parameterization = VideoNoise(own.noise_levels)
        self.grade = Grade.RANDOM if own.is_random else Grade.REAL
        tuning: dict[str, Any] = {"segment": Windows().length} | ({"steps": _DRY_TUNING_STEPS} if own.is_random else {})
        self.tuner_defaults: Mapping[str, Mapping[str, Any]] = {"strucbooth": tuning}
        self._side = (TINY if own.is_random else REAL).side

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> list[WeightFile]:
        """All published files, judged by what they hold; no usual place is known for them.

        See :meth:`Component.weight_files`.
        """
        given = parse_options(HunyuanPortraitOptions, options, OWNER)
        if given.is_random:
            return []
        folder = Path(given.weights).expanduser() if given.weights else None
        return [inspect(file, folder) for file in FILES]

    @classmethod
    def fetch_weights(cls, to: Path | None, progress: DownloadProgress | None = None) -> FetchReport:
        """Bring all weights files into a folder; see :meth:`Component.fetch_weights`.

        Raises:
            ConfigError: Without a folder: there is no usual place for them.
        """
        if to is None:
            raise ConfigError(f"--weights {cls.name}: say where to, with --to DIR, and give that folder as weights=DIR")
        return fetch_files({file.name: file.repository for file in FILES}, to, progress)

    def fingerprint(self) -> Mapping[str, Any]:
        """Code version, options, precision, whatever finds the faces, and the digests of all weights.

        Raises:
            WeightsError: When a file is missing.
        """
        own = self._options
        observer = self._context.observer if own.face_boxes == "run" else None
        return {
            "name": self.name,
            "code": CODE_VERSION,
            "options": own.model_dump(mode="json", exclude=NOT_DECISIVE),
            "precision": self._parts.precision,
            "faces": observer.fingerprint_for(["landmarks"]) if observer else None,
            "weights": self._parts.weights_digests,
        }

    @property
    def denoiser(self) -> nn.Module:  # type: ignore[override]
        """The video UNet."""
        denoiser: nn.Module = self._networks.denoiser
        return denoiser

    @cached_property
    def _networks(self) -> Networks:
        return self._parts.load_networks()

    @cached_property
    def _faces(self) -> FaceSource:
        if self._options.face_boxes == "run":
            return ObservedFaces(self._context.observer)
        if self._options.is_random:
            return DetectedFaces(stand_in_detector())
        return DetectedFaces(YoloFace.of_file(self._parts.detector_file(), device=self._context.device))

    def animate(self, inputs: Inputs) -> Animation:
        """Animate one case; see :meth:`Generator.animate`."""
        return self.sample(self.condition(inputs), seed=inputs.seed)

    def condition(self, inputs: Inputs) -> Conditions:
        """Find the faces and run all encoders.

        Raises:
            NoFaceError: When the identity image or a driving frame shows no face.
        """
        case = preprocess(inputs.identity, inputs.driving, self._faces, self._side)
        return compute_conditions(self._networks, case, inputs.identity.frames[0])

    def made_frames(self, conditions: Conditions) -> Sequence[int]:
        """See :meth:`DiffusionGenerator.made_frames`: all of them."""
        return range(len(conditions.motion))

    def select(self, conditions: Conditions, frames: Sequence[int]) -> Selection:
        """See :meth:`DiffusionGenerator.select`. Tuning needs no pads."""
        return conditions.of_frames(frames).to(self._networks.device)

    def sample(self, conditions: Conditions, *, seed: int, on_step: StepCallback | None = None) -> Animation:
        """Generate by normal sampling; see :meth:`DiffusionGenerator.sample`.

        Raises:
            DivergedError: When the decoder answers with numbers that are not finite.
        """
        latents = self._sample(conditions.padded(), seed, self._told(on_step))
        clip = Clip(self._pixels(latents), conditions.canvas.fps)
        pasted = None
        if self._options.paste_back:
            frames = [paste_back(conditions.identity, frame, conditions.box) for frame in clip]
            pasted = Clip(np.stack(frames), clip.fps)
        return Animation(clip, conditions.canvas, {"generated_frames": len(latents)}, pasted=pasted)

    def resume(self, conditions: Conditions, base: Animation) -> bool:  # noqa: ARG002 - the frames alone will do
        """See :meth:`DiffusionGenerator.resume`: sampling leaves nothing in the conditions that tuning needs."""
        return True

    def encode(self, frames: Tensor) -> Tensor:
        """See :meth:`DiffusionGenerator.encode`: the mode of the encoder's distribution, frame by frame."""
        with self._networks.encoding():  # once for all frames
            return torch.cat([SCALE * self._networks.encode(frame[None]) for frame in frames])

    def decode(self, latents: Tensor, run: int = 1) -> Tensor:
        """See :meth:`DiffusionGenerator.decode`. The decoder mixes the frames of a run."""
        return self._networks.decode(latents, run)

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Selection) -> Tensor:
        """See :meth:`DiffusionGenerator.denoise`. Only the pass with all conditions is computed."""
        given = conditions.to(self._networks.device)
        return self._predict(noisy[None], t, given.appearance, given.motion[None], given.image_latents)[0]

    def probe(self) -> str:
        """Digest of the denoiser's output for a fixed input; see :meth:`DiffusionGenerator.probe`."""
        random, networks = torch.Generator().manual_seed(1), self._networks
        width: int = networks.denoiser.config.cross_attention_dim
        shapes = [
            (1, _PROBE_FRAMES, LATENT_CHANNELS, _PROBE_CELLS, _PROBE_CELLS),
            (1, 4, width),
            (1, _PROBE_FRAMES, 4, width),
            (1, LATENT_CHANNELS, _PROBE_CELLS, _PROBE_CELLS),
        ]
        noisy, *given = (torch.randn(shape, generator=random).to(networks.device) for shape in shapes)
        with torch.no_grad():
            answer = self._predict(noisy, torch.tensor([_PROBE_LEVEL]), *given)
        return array_digest(answer.cpu().numpy())

    def _predict(self, noisy: Tensor, t: Tensor, appearance: Tensor, motion: Tensor, image_latents: Tensor) -> Tensor:
        """Predict v for a batch (B, F, 4, h, w) at one noise level (1,), float32."""
        path = self.parameterization
        scaled = path.model_input(noisy.float(), t)
        return self._networks.predict(scaled, image_latents, path.model_time(t), appearance, motion)

    @torch.no_grad()
    def _sample(self, given: Selection, seed: int, on_step: StepCallback) -> Tensor:
        """Clean latents of a clip with its pads, on the CPU; only the window at work is on the device."""
        own, path, device = self._options, self.parameterization, self._networks.device
        passes = branches(own.appearance_guidance, own.motion_guidance)
        sees_appearance, sees_motion = ([getattr(one, name) for one in passes] for name in ("appearance", "motion"))
        appearance = stacked(given.appearance.to(device), sees_appearance)
        image_latents = stacked(given.image_latents.to(device), sees_appearance)

        def predict(noisy: Tensor, t: Tensor, frames: Sequence[int]) -> Tensor:
            motion = stacked(given.motion[None, list(frames)].to(device), sees_motion)
            batch = noisy.to(device)[None].expand(len(passes), -1, -1, -1, -1)
            return combined(self._predict(batch, t, appearance, motion, image_latents), passes)

        shape = (len(given.motion), *given.image_latents.shape[1:])
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        first = path.sampling_times(own.sampling_steps)[:1]
        # Not noise alone: the portrait's latents lie under it, scaled as clean latents are.
        start = path.add_noise((SCALE * given.image_latents).expand(shape), noise, first)
        return sample(path, start, predict, own.sampling_steps, on_step=on_step)

    @torch.no_grad()
    def _pixels(self, latents: Tensor) -> NDArray[np.uint8]:
        """Frames of a clip without its pads, from latents with them, in upstream's chunks; shape (T, S, S, 3)."""
        kept = range(PADS, len(latents) - PADS)
        found = []
        for start in range(0, len(latents), DECODED_FRAMES):
            rows = range(start, min(start + DECODED_FRAMES, len(latents)))
            wanted = [row - start for row in rows if row in kept]
            if wanted:
                frames = self.decode(latents[rows.start : rows.stop], len(rows))
                found.append(to_pixels(frames[wanted], truncate=True))
        return np.concatenate(found)

    def _told(self, on_step: StepCallback | None) -> StepCallback:
        """A callback that also says how far a sampling is."""

        def told(index: int, count: int, t: Tensor) -> None:
            if self._context.progress is not None:
                self._context.progress(index + 1, count, {})
            if on_step is not None:
                on_step(index, count, t)

        return told
