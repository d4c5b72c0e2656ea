"""All networks of a HunyuanPortrait, and the few things they are asked for. Numbers go in and come out in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor, nn

from ..recompute import recompute
from ..residence import REST, Residence
from .appearance import AppearanceEncoder, PoseEncoder, TokenProjection
from .architecture import ANGLES, STRIDE
from .motion import ExpressionEncoder, HeadPoseEncoder, MotionRefiner
from .unet import PortraitUNet

SCALE = 0.18215
"""Of clean latents as the denoiser sees them against the encoder's."""
TIME_IDS = (12.5, 0.0, 0.0)
"""Frame rate, motion bucket and added noise that the denoiser is told, whatever the clip."""
OF_MOTION = ("expression", "head_pose", "refiner")
"""Those that make motion tokens. Upstream runs them in float32 whatever the precision; so it does the encoding half of
the codec."""
VISITORS = ("appearance", "projection", "expression", "head_pose", "refiner", "identity")
"""Those that neither sampling nor tuning needs; they go to the device for as long as they are asked, or stay."""
RESIDENTS = ("projection", "head_pose", "expression", "refiner", "identity", "appearance")
"""The same, small before large: each is asked for once in a case."""

Identity = Callable[[Tensor], Tensor]
"""From ArcFace's crops (N, 3, 112, 112) in [0, 1] to embeddings (N, 512) as the network gives them."""


@dataclass(eq=False)
class Networks(Residence):
    """The networks. The denoiser says on which device they work; ``VISITORS`` are there when needed.

    Attributes:
        denoiser: The video UNet; a tuner's adapters go into it.
        codec: The video autoencoder.
        appearance: DINOv2 with identity adapters.
        projection: Projection of DINOv2's tokens.
        pose: Encoder of the pose map.
        expression: Expression encoder.
        head_pose: Head pose encoder.
        refiner: Makes motion tokens.
        identity: ArcFace.
    """

    denoiser: PortraitUNet
    codec: AutoencoderKLTemporalDecoder
    appearance: AppearanceEncoder
    projection: TokenProjection
    pose: PoseEncoder
    expression: ExpressionEncoder
    head_pose: HeadPoseEncoder
    refiner: MotionRefiner
    identity: Identity

    def __post_init__(self) -> None:
        self._pose_maps: dict[tuple[int, int], Tensor] = {}
        self._time_ids: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where they work."""
        return torch.device(self.denoiser.device)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of denoiser, decoder and appearance encoders."""
        dtype: torch.dtype = self.denoiser.dtype
        return dtype

    def modules(self) -> dict[str, nn.Module]:
        """By name, without an identity network that is none of torch's."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}

    def settle(self, device: str, dtype: torch.dtype) -> None:
        """Freeze all, cast them, and put each where it begins."""
        for name, module in self.modules().items():
            own = torch.float32 if name in (*OF_MOTION, "identity") else dtype
            nn.Module.to(module, REST if name in VISITORS else device, own).eval().requires_grad_(requires_grad=False)

    def predict(
        self, scaled: Tensor, image_latents: Tensor, time: Tensor, appearance: Tensor, motion: Tensor
    ) -> Tensor:
        """The denoiser's v, shape of ``scaled``; differentiable.

        Args:
            scaled: Noisy latents of unit size, shape (B, F, 4, h, w).
            image_latents: Latents of the portrait, not scaled, shape (B, 4, h, w).
            time: Noise level as the network wants it, shape (1,).
            appearance: Tokens, shape (B, K, D).
            motion: Tokens, shape (B, F, K, D).
        """
        batch, frames = scaled.shape[:2]
        sample = torch.cat([scaled, image_latents[:, None].expand(-1, frames, -1, -1, -1)], dim=2)
        if self._time_ids is None:  # sent once, since whoever sends waits for it
            self._time_ids = self._cast(torch.tensor([TIME_IDS]))
        ids = self._time_ids.expand(batch, -1)
        context = self._cast(appearance), self._cast(motion)
        found: Tensor = self.denoiser(
            self._cast(sample), time.to(self.device), context, ids, self._pose_map(*scaled.shape[-2:])
        )
        return found.float()

    @torch.no_grad()
    def embed_identity(self, crop: Tensor) -> Tensor:
        """ArcFace's embedding of a crop (1, 3, 112, 112) in [0, 1], of length 1, shape (1, 512)."""
        with self.on_device("identity"):
            return nn.functional.normalize(self.identity(crop.to(self.device)).float())

    @torch.no_grad()
    def appearance_tokens(self, picture: Tensor, identity: Tensor) -> Tensor:
        """Tokens (1, K, D) of a picture (1, 3, 224, 224) and an embedding (1, 512)."""
        with self.on_device("appearance", "projection"):
            tokens: Tensor = self.projection(self.appearance(self._cast(picture), self._cast(identity)))
        return tokens.float()

    @torch.no_grad()
    def motion_tokens(self, faces: Tensor, poses: Tensor, head: int, expression: int) -> Tensor:
        """Tokens (F, K, D) of a chunk of frames.

        Args:
            faces: For the expression encoder, in [0, 1], shape (F, 3, 256, 256).
            poses: For the head pose encoder, in [0, 1], shape (F, 3, 256, 256).
            head: Bucket of the head's motion.
            expression: Bucket of the expression's.
        """
        with self.on_device(*OF_MOTION):
            refined = self.refiner(self.expression(faces.to(self.device)), head, expression)
            angles = self.head_pose(poses.to(self.device))
        pose = nn.functional.pad(angles, (0, ANGLES - angles.shape[1]))  # zeros where a head's place would be
        return torch.cat([refined, pose[:, None].expand(-1, refined.shape[1], -1)], dim=-1)

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Mode of the encoder's distribution, **not** scaled, shape (N, 4, h, w), of frames in [-1, 1]."""
        with self.encoding():
            mode: Tensor = self.codec.encode(frames.to(self.device).float()).latent_dist.mode()
        return mode

    def decode(self, latents: Tensor, run: int = 1) -> Tensor:
        """Frames in [-1, 1] of scaled latents; differentiable.

        Args:
            latents: Runs of neighbouring frames one after the other, shape (N, 4, h, w).
            run: Frames of each run.
        """
        wanted = torch.is_grad_enabled() and bool(self.denoiser.is_gradient_checkpointing)
        if wanted != self.codec.is_gradient_checkpointing:  # as the tuner set the denoiser
            if wanted:
                self.codec.enable_gradient_checkpointing(recompute)
            else:
                self.codec.disable_gradient_checkpointing()
        plain = latents.to(self.device) / SCALE
        frames: Tensor = self.codec.decode(plain.to(self.dtype), num_frames=run, return_dict=False)[0]
        return frames.float()

    def _pose_map(self, height: int, width: int) -> Tensor:
        """The map of a black picture, shape (C, h, w); the same for all frames of all cases, computed once."""
        if (height, width) not in self._pose_maps:
            with torch.no_grad():
                black = torch.zeros(1, 3, STRIDE * height, STRIDE * width)
                self._pose_maps[height, width] = self.pose(self._cast(black))[0]
        return self._pose_maps[height, width]

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.dtype)

    @contextmanager
    def encoding(self) -> Iterator[None]:
        """Let the codec encode in float32 within the block, since the published one overflows in 16 bit there.

        Its other half stays as it is; blocks may nest.
        """
        halves = [self.codec.encoder, self.codec.quant_conv]
        own = self.codec.quant_conv.weight.dtype
        for half in halves:
            nn.Module.to(half, torch.float32)
        try:
            yield
        finally:
            for half in halves:
                nn.Module.to(half, own)
