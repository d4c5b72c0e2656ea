"""Sizes of the networks: Stable Diffusion 1.5's, and a small one that runs on a CPU in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .inputs import CANVAS

HEADS = 8
"""Heads of every attention layer, of the UNets and of the adapters."""
STRIDE = 8
"""Pixels per latent cell."""
LATENT_CHANNELS = 4
TOKENS = 77
"""Of every prompt, filled up or cut off."""
TIME_WIDTH = 1280
"""Width of the UNets' time embedding; the motion adapter's files fix it, and with it the first block's 320 channels."""
DOWN_STRIDES, UP_STRIDES = (2, 4, 8, 8), (8, 4, 2, 1)
"""Latent cells per cell of the maps after each down block and before each up block."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of all networks.

    Attributes:
        channels: Channels of the UNet's four levels; the first must be 320.
        control_channels: Channels of the control network: its first layer, then its four blocks.
        layers: Residual layers per UNet block.
        text_width: Width of the text embedding.
        side: Side of the square frames, in pixels.
        codec_channels: Channels of the image autoencoder's four levels.
        codec_layers: Residual layers per level of the image autoencoder.
    """

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    control_channels: tuple[int, ...] = (128, 640, 1280, 1280, 1280)
    layers: int = 2
    text_width: int = 768
    side: int = CANVAS
    codec_channels: tuple[int, ...] = (128, 256, 512, 512)
    codec_layers: int = 2

    @property
    def up_channels(self) -> tuple[int, ...]:
        """Channels of the maps before each up block: the coarsest level's, then the outputs of the up blocks."""
        coarse_first = self.channels[::-1]
        return (coarse_first[0], *coarse_first[:3])

    @property
    def cells(self) -> int:
        """Side of the latents."""
        return self.side // STRIDE

    def unet(self) -> dict[str, Any]:
        """Arguments of diffusers' ``UNet2DConditionModel``."""
        return {
            "sample_size": self.cells,
            "in_channels": LATENT_CHANNELS,
            "out_channels": LATENT_CHANNELS,
            "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            "block_out_channels": self.channels,
            "layers_per_block": self.layers,
            "norm_num_groups": 32,
            "cross_attention_dim": self.text_width,
            "attention_head_dim": HEADS,  # a number of heads, despite the argument's name
        }

    def animatediff(self) -> dict[str, Any]:
        """Arguments of diffusers' ``MotionAdapter``; the published file brings its own."""
        return {
            "block_out_channels": self.channels,
            "motion_layers_per_block": self.layers,
            "motion_num_attention_heads": HEADS,
        }

    def codec(self) -> dict[str, Any]:
        """Arguments of diffusers' ``AutoencoderKL``."""
        return {
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "block_out_channels": self.codec_channels,
            "layers_per_block": self.codec_layers,
            "latent_channels": LATENT_CHANNELS,
            "sample_size": self.side,
        }


REAL = Architecture()
TINY = Architecture(
    channels=(320, 64, 64, 64),
    control_channels=(16, 64, 64, 64, 64),
    layers=1,
    text_width=32,
    side=128,
    codec_channels=(32, 32, 32, 32),
    codec_layers=1,
)
"""For tests and dry runs. 128 pixels are the least that the control network's normalisation allows."""
