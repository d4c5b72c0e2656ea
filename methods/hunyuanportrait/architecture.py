"""Sizes of the networks: HunyuanPortrait's, and small ones that run on a CPU in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .preprocessing import CANVAS

STRIDE = 8
"""Pixels per latent cell."""
LATENT_CHANNELS = 4
ANGLES = 6
"""Numbers of the head pose at the end of every motion token: three angles, and three zeros for the place."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of all networks.

    Attributes:
        channels: Channels of the UNet's four levels.
        heads: Attention heads of the four levels. Diffusers' default is another, and loads without a word.
        layers: Residual layers per UNet block.
        width: Width of appearance and motion tokens.
        tokens: Number of tokens of each kind.
        time_width: Embedding width of each of the three added time ids.
        side: Side of the square frames, in pixels.
        codec_channels: Channels of the video autoencoder's four levels.
        codec_layers: Residual layers per level of the video autoencoder.
        pose_channels: Channels of the pose map's encoder.
        appearance_depth: Blocks of DINOv2.
        appearance_heads: Attention heads of DINOv2.
        adapted: DINOv2's blocks with identity adapters.
        adapter_width: Width of the identity adapters.
        refiner_width: Width of the motion refiner.
        refiner_layers: Layers of the motion refiner.
        expression_depths: Blocks of the expression encoder's four layers.
        head_pose_depths: Blocks of the head pose encoder's.
    """

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    heads: tuple[int, ...] = (5, 10, 20, 20)
    layers: int = 2
    width: int = 1024
    tokens: int = 64
    time_width: int = 256
    side: int = CANVAS
    codec_channels: tuple[int, ...] = (128, 256, 512, 512)
    codec_layers: int = 2
    pose_channels: tuple[int, ...] = (16, 32, 96, 256)
    appearance_depth: int = 24
    appearance_heads: int = 16
    adapted: tuple[int, ...] = (3, 7, 11, 15, 19, 23)
    adapter_width: int = 384
    refiner_width: int = 768
    refiner_layers: int = 6
    expression_depths: tuple[int, ...] = (3, 4, 6, 3)
    head_pose_depths: tuple[int, ...] = (2, 2, 2, 2)

    def unet(self) -> dict[str, Any]:
        """Arguments of diffusers' ``UNetSpatioTemporalConditionModel``."""
        return {
            "sample_size": self.side // STRIDE,
            "in_channels": 2 * LATENT_CHANNELS,
            "out_channels": LATENT_CHANNELS,
            "block_out_channels": self.channels,
            "num_attention_heads": self.heads,
            "layers_per_block": self.layers,
            "cross_attention_dim": self.width,
            "addition_time_embed_dim": self.time_width,
            "projection_class_embeddings_input_dim": 3 * self.time_width,
            "num_frames": 25,
        }

    def codec(self) -> dict[str, Any]:
        """Arguments of diffusers' ``AutoencoderKLTemporalDecoder``."""
        return {
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "block_out_channels": self.codec_channels,
            "layers_per_block": self.codec_layers,
            "latent_channels": LATENT_CHANNELS,
            "sample_size": self.side,
        }


REAL = Architecture()
TINY = Architecture(
    channels=(32, 32, 64, 64),
    heads=(1, 1, 2, 2),
    layers=1,
    width=64,
    time_width=32,
    side=64,
    codec_channels=(32, 32, 32, 32),
    codec_layers=1,
    pose_channels=(4, 4, 8, 8),
    appearance_depth=2,
    appearance_heads=2,
    adapted=(1,),
    adapter_width=32,
    refiner_width=32,
    refiner_layers=1,
    expression_depths=(1, 1, 1, 1),
    head_pose_depths=(1, 1, 1, 1),
)
"""For tests and dry runs."""
