"""All networks of a HelloMeme, and the few things they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from ..residence import REST, Residence
from ..tiling import tiled
from .adapted_unet import WiredUNet, recompute_when, share_into_motion_unet
from .adapters import MotionKnits, ReferenceAdapter
from .architecture import STRIDE
from .control import ControlNetwork
from .feature_maps import Maps, joined
from .inputs import Control, HelloMemeInputs
from .pdfgc import PdFgcEncoder

Words = Callable[[Sequence[str]], Tensor]
"""From texts to embeddings (N, 77, D)."""
VISITORS = ("helper", "control", "expression", "vision", "words", "reference_words", "encoder")
"""Those that a denoising or tuning step does not need; they go to the device for as long as they are asked, or stay."""
RESIDENTS = ("encoder", "helper", "control", "expression", "vision")
"""Those that are worth keeping on the device, the most asked first. Prompts are read once in a run."""
_GUESTS = (*VISITORS, "motion", "animatediff")
"""All that begin away from the device; those for clips come with the first clip and stay."""
CHUNK = 8
"""Frames that go through the control network and the expression encoders together."""


@dataclass(eq=False)
class Networks(Residence):
    """The networks, in one precision. The denoiser says on which device they work; ``VISITORS`` are there when needed.

    Attributes:
        denoiser: The image UNet of the base model; a tuner's adapters go into it.
        helper: The image UNet that reads the reference and makes keyframes.
        reference: Adapter for the reference image; of both.
        motion: Adapter for neighbouring frames; None without video.
        animatediff: Motion modules; None without video.
        control: Pose and expression encoder.
        expression: Code of CNTRL2; None where CNTRL1 is used.
        vision: CLIP's image encoder of CNTRL1; None where CNTRL2 is used.
        words: Text encoder for the denoiser.
        reference_words: Text encoder for reading the reference.
        encoder: Autoencoder that encodes.
        decoder: Autoencoder that decodes.
    """

    denoiser: UNet2DConditionModel
    helper: UNet2DConditionModel
    reference: ReferenceAdapter
    motion: MotionKnits | None
    animatediff: MotionAdapter | None
    control: ControlNetwork
    expression: PdFgcEncoder | None
    vision: Any
    words: Words
    reference_words: Words
    encoder: AutoencoderKL
    decoder: AutoencoderKL

    def __post_init__(self) -> None:
        self.image = WiredUNet(self.denoiser, self.reference)
        self.keyframes = WiredUNet(self.helper, self.reference)
        for module in self.decoder.modules():
            if isinstance(module, ResnetBlock2D):  # a whole decoded frame is what a tuning step keeps most of
                recompute_when(module, self._is_recomputing)
        self._clip: WiredUNet | None = None
        self._texts: dict[tuple[str, ...], tuple[Tensor, Tensor]] = {}
        self._idle: dict[int, Maps] = {}

    @property
    def clip(self) -> WiredUNet:
        """The denoiser with motion modules; made when a clip is first asked for.

        Raises:
            RuntimeError: When there are none.
        """
        if self._clip is None:
            if self.animatediff is None or self.motion is None:
                raise RuntimeError("the motion modules have not been loaded")
            for module in (self.animatediff, self.motion):
                nn.Module.to(module, self.device)
            unet = share_into_motion_unet(self.denoiser, self.animatediff)
            self._clip = WiredUNet(unet, self.reference, self.motion, leader=self.denoiser)
        return self._clip

    @property
    def device(self) -> torch.device:
        """Where they work."""
        return torch.device(self.denoiser.device)

    def modules(self) -> dict[str, nn.Module]:
        """By name, without what is no network (random words)."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}

    def settle(self, device: str, dtype: torch.dtype) -> None:
        """Freeze all, cast them, and put each where it begins."""
        for name, module in self.modules().items():
            nn.Module.to(module, REST if name in _GUESTS else device, dtype).eval().requires_grad_(requires_grad=False)

    @torch.no_grad()
    def control_maps(self, inputs: HelloMemeInputs) -> Maps:
        """The control network's maps of all frames, shape (T, C, h, w), on the CPU: they grow with the clip."""
        starts = range(0, len(inputs.condition), CHUNK)
        chunks = [self._control_chunk(inputs, slice(start, start + CHUNK)) for start in starts]
        return joined([chunk.apply(lambda maps: maps.cpu()) for chunk in chunks], 0)

    @torch.no_grad()
    def idle_maps(self, inputs: HelloMemeInputs) -> Maps:
        """Its maps of nothing, for guidance: a black heat map and a code of zeros, shape (1, C, h, w).

        The same for all cases of a run, computed with the first.
        """
        side = inputs.condition.shape[-1]
        if side not in self._idle:
            black = self._cast(torch.full_like(inputs.condition[:1], -1))
            self._idle[side] = self.control(black, self._tokens(inputs, slice(0, 1), torch.zeros_like))
        return self._idle[side]

    def texts(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Embeddings for the denoiser and for reading the reference, on the device, each (N, 77, D).

        The same for all cases of a run, computed with the first.
        """
        key = tuple(prompts)
        if key not in self._texts:
            with self.on_device("words", "reference_words"):
                own, reference = self.words(prompts), self.reference_words(prompts)
            self._texts[key] = own.to(self.device), reference.to(self.device)
        return self._texts[key]

    @torch.no_grad()
    def encode(self, frames: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Latents as the denoiser sees them, float32.

        Args:
            frames: In [-1, 1], shape (N, 3, H, W).
            random: Draws from the encoder's distribution; None takes its mode.
        """
        with self.on_device("encoder"):
            posterior = self.encoder.encode(frames.to(self.device, self.encoder.dtype)).latent_dist
        latents = posterior.mean.float()
        if random is not None:
            noise = torch.randn(latents.shape, generator=random)
            latents = latents + posterior.std.float() * noise.to(latents.device)
        scale: float = self.encoder.config.scaling_factor
        scaled: Tensor = latents * scale
        return scaled

    def decode(self, latents: Tensor) -> Tensor:
        """Frames in [-1, 1] of latents or of a crop of latents, float32; differentiable."""
        plain = latents.to(self.device) / self.decoder.config.scaling_factor
        frames: Tensor = self.decoder.decode(plain.to(self.decoder.dtype), return_dict=False)[0].float()
        return frames

    def decode_tiled(self, latents: Tensor, cells: int) -> Tensor:
        """Frames as :meth:`decode` gives them, by diffusers' tiles of so many cells a side."""
        with tiled(self.decoder, cells, STRIDE):
            return self.decode(latents)

    def _is_recomputing(self) -> bool:
        return torch.is_grad_enabled() and bool(self.denoiser.is_gradient_checkpointing)

    def _control_chunk(self, inputs: HelloMemeInputs, rows: slice) -> Maps:
        maps: Maps = self.control(self._cast(inputs.condition[rows]), self._tokens(inputs, rows, lambda code: code))
        return maps

    def _tokens(self, inputs: HelloMemeInputs, rows: slice, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Expression tokens of some frames, their codes changed before."""
        if inputs.control is Control.CNTRL2:
            if inputs.expression_faces is None or self.expression is None:
                raise RuntimeError("no encoder was loaded for the expression of cntrl2")
            return self.control.code_tokens(change(self.expression(self._cast(inputs.expression_faces[rows]))))
        if inputs.coefficients is None or inputs.face_parts is None or self.vision is None:
            raise RuntimeError("no encoder was loaded for the expression of cntrl1")
        parts = self._cast(inputs.face_parts[rows])
        embedded = self.vision(parts.flatten(0, 1)).image_embeds.reshape(len(parts), 3, -1)
        return self.control.coefficient_tokens(change(inputs.coefficients[rows].to(self.device)), change(embedded))

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.control.conv_in.weight.dtype)
