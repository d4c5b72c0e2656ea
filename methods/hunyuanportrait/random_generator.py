"""HunyuanPortrait on random weights at any size, with no more networks than tuning touches: to measure what it costs.

Nothing it makes is a picture of anything. Encoders are described but take no memory, as if freed after their last use.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...datasets.clip import Clip
from ...faces.base import Grade
from ..base import MethodContext
from ..published import PRECISIONS
from ..random_weights import absent, draw_weights, resident_bytes
from .architecture import LATENT_CHANNELS, STRIDE, Architecture
from .conditions import Conditions
from .dry_run import build
from .generator import HunyuanPortrait


class RandomHunyuanPortrait(HunyuanPortrait):
    """HunyuanPortrait on random weights and random conditions.

    Args:
        architecture: Sizes of the networks.
        precision: What they are held in: "fp32", "bf16" or "fp16".
        device: Where they are: "cpu", "cuda" or "mps".
        seed: Seed of weights and conditions.
        is_clip: Not looked at: an image is a clip of one frame here.
        samples: Not looked at: sampling needs nothing else.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        precision: str,
        device: str,
        seed: int,
        is_clip: bool = False,  # noqa: ARG002
        samples: bool = False,  # noqa: ARG002
    ) -> None:
        super().__init__({"precision": precision}, MethodContext(absent, device=device, cache=Path()))
        self.grade = Grade.RANDOM
        self._architecture, self._seed = architecture, seed
        with torch.device("meta"):
            networks = build(architecture, nn.Module())
        networks.codec.encoder = nn.Module()
        random = torch.Generator(device).manual_seed(seed)
        for module in (networks.denoiser, networks.codec, networks.pose):
            module.to(PRECISIONS[precision]).eval().requires_grad_(requires_grad=False)
            draw_weights(module, random)
        self._networks = networks

    def resident(self) -> dict[str, int]:
        """Bytes of the weights that are in memory, by network."""
        own = self._networks
        parts = {"denoiser": own.denoiser, "decoder": own.codec, "pose encoder": own.pose}
        return {name: resident_bytes(part) for name, part in parts.items()}

    def random_conditions(self, frames: int, side: int, *, sampled: bool) -> Conditions:  # noqa: ARG002
        """What the encoders would have made of a case, of the right shapes.

        Args:
            frames: That are generated.
            side: Side of the square frames, in pixels.
            sampled: Not looked at: the first sampling leaves nothing that tuning needs.
        """
        own, cells, random = self._architecture, side // STRIDE, torch.Generator().manual_seed(self._seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=random)

        return Conditions(
            appearance=draw(1, own.tokens, own.width),
            motion=draw(frames, own.tokens, own.width),
            image_latents=draw(1, LATENT_CHANNELS, cells, cells),
            canvas=Clip(np.zeros((frames, side, side, 3), np.uint8)),
            identity=np.zeros((side, side, 3), np.uint8),
            box=(0, 0, side, side),
        )
