"""HelloMeme on random weights at any size, with no more networks than tuning touches: to measure what tuning costs.

Nothing it makes is a picture of anything. What a tuning step does not touch (the UNet of keyframes, control network,
encoders; without a clip also the motion modules) is described but takes no memory, as if freed after its last use.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from torch import Tensor, nn

from ...datasets.clip import Clip
from ...faces.base import Grade
from ..base import MethodContext
from ..published import PRECISIONS
from ..random_weights import absent, draw_weights, resident_bytes
from .adapters import MotionKnits, ReferenceAdapter
from .architecture import DOWN_STRIDES, LATENT_CHANNELS, STRIDE, TOKENS, UP_STRIDES, Architecture
from .conditions import Conditions
from .control import ControlNetwork
from .feature_maps import Maps
from .generator import HelloMeme
from .networks import Networks


class RandomWeightsHelloMeme(HelloMeme):
    """HelloMeme on random weights and random conditions.

    Args:
        architecture: Sizes of the networks.
        precision: Data type of the networks: "fp32", "bf16" or "fp16".
        device: Device of the networks: "cpu", "cuda" or "mps".
        seed: Seed of weights and conditions.
        is_clip: Load the motion modules too.
        samples: Load what only sampling needs too: for a clip the UNet that makes its keyframes.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        precision: str,
        device: str,
        seed: int,
        is_clip: bool = False,
        samples: bool = False,
    ) -> None:
        super().__init__({"precision": precision}, MethodContext(absent, device=device, cache=Path()))
        self.grade = Grade.RANDOM
        self._architecture, self._dtype, self._seed = architecture, PRECISIONS[precision], seed
        with torch.device("meta"):
            self._networks = _described(architecture, is_clip=is_clip)
        networks = self._networks
        for module in networks.modules().values():
            nn.Module.to(module, self._dtype).eval().requires_grad_(requires_grad=False)
        decoder = [networks.decoder.decoder, networks.decoder.post_quant_conv]
        motion = [networks.motion, networks.animatediff, *([networks.helper] if samples else [])] if is_clip else []
        random = torch.Generator(device).manual_seed(seed)
        for module in (networks.denoiser, networks.reference, *decoder, *motion):
            draw_weights(module, random)
        if is_clip:
            _ = networks.clip  # made before a tuner puts adapters in, as in a real run

    def resident(self) -> dict[str, int]:
        """Bytes of the weights that are in memory, by network."""
        parts = {
            "denoiser": self._networks.denoiser,
            "reference adapter": self._networks.reference,
            "decoder": self._networks.decoder,
            "motion modules": self._networks.animatediff,
            "motion adapter": self._networks.motion,
            "keyframe UNet": self._networks.helper,
        }
        sizes = {name: resident_bytes(part) for name, part in parts.items() if part is not None}
        return {name: size for name, size in sizes.items() if size}

    def random_conditions(self, frames: int, side: int, *, sampled: bool) -> Conditions:
        """What the encoders would have made of a case, of the right shapes.

        Args:
            frames: Number of frames that are generated and shown.
            side: Side of the square frames, in pixels.
            sampled: As after the first sampling; a window of a clip is tuned then.
        """
        own, cells = self._architecture, side // STRIDE
        random = torch.Generator().manual_seed(self._seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=random).to(self._networks.device, self._dtype)

        def maps(channels: Sequence[int], strides: Sequence[int], *lead: int) -> tuple[Tensor, ...]:
            sides = [cells // stride for stride in strides]
            return tuple(draw(*lead, width, cell, cell) for width, cell in zip(channels, sides, strict=True))

        def all_maps(*lead: int) -> Maps:
            return Maps(maps(own.channels, DOWN_STRIDES, *lead), maps(own.up_channels, UP_STRIDES, *lead))

        conditions = Conditions(
            text=draw(2, TOKENS, own.text_width),
            reference=Maps((), maps(own.up_channels, UP_STRIDES, 2)),
            control=all_maps(frames).apply(_at_rest),
            idle=all_maps(1),
            canvas=Clip(np.zeros((frames, side, side, 3), np.uint8)),
            shown=tuple(range(frames)),
            cells=cells,
        )
        if sampled:
            conditions.latents = torch.randn((frames, LATENT_CHANNELS, cells, cells), generator=random)
        if sampled and frames > 1:
            conditions.row_pads = [all_maps(1, 1).apply(_at_rest) for _ in range(frames)]
        return conditions


def _described(architecture: Architecture, *, is_clip: bool) -> Networks:
    """The networks; without memory in a block of the device "meta"."""
    return Networks(
        denoiser=UNet2DConditionModel(**architecture.unet()),
        helper=UNet2DConditionModel(**architecture.unet()),
        reference=ReferenceAdapter(architecture.up_channels),
        motion=MotionKnits(architecture.channels, architecture.up_channels) if is_clip else None,
        animatediff=MotionAdapter(**architecture.animatediff()) if is_clip else None,
        control=ControlNetwork(architecture.control_channels, architecture.channels),
        expression=None,
        vision=None,
        words=absent,
        reference_words=absent,
        encoder=AutoencoderKL(**architecture.codec()),
        decoder=AutoencoderKL(**architecture.codec()),
    )


def _at_rest(maps: Tensor) -> Tensor:
    """Where maps lie between windows: in main memory. On the device "meta", which counts sizes, they have no data."""
    return maps if maps.is_meta else maps.cpu()
