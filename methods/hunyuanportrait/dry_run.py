"""The networks of ``weights=random-tiny``: small, random but always the same, for dry runs of the whole chain."""

from __future__ import annotations

import math

import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor, nn

from .appearance import IDENTITY, AppearanceEncoder, PoseEncoder, TokenProjection
from .architecture import ANGLES, TINY, Architecture
from .motion import ExpressionEncoder, HeadPoseEncoder, MotionRefiner
from .networks import Networks
from .unet import PortraitUNet

_SEED = 5


class PixelIdentity(nn.Module):
    """Stands in for ArcFace: a random projection of the crop's 8 x 8 mean colours."""

    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Linear(3 * 64, IDENTITY)

    def forward(self, crops: Tensor) -> Tensor:
        """Embeddings (N, 512) of crops (N, 3, 112, 112)."""
        embedded: Tensor = self.projection(nn.functional.adaptive_avg_pool2d(crops, 8).flatten(1))
        return embedded


def build(own: Architecture, identity: nn.Module) -> Networks:
    """All networks of some size, with weights as torch draws them.

    Args:
        own: Their sizes.
        identity: The identity network.
    """
    return Networks(
        denoiser=PortraitUNet(**own.unet()),
        codec=AutoencoderKLTemporalDecoder(**own.codec()),
        appearance=AppearanceEncoder(
            own.width, own.appearance_depth, own.appearance_heads, own.adapted, own.adapter_width
        ),
        projection=TokenProjection(own.tokens),
        pose=PoseEncoder(own.channels[0], own.pose_channels),
        expression=ExpressionEncoder(own.expression_depths),
        head_pose=HeadPoseEncoder(own.head_pose_depths),
        refiner=MotionRefiner(own.width - ANGLES, own.tokens, own.refiner_width, own.refiner_layers),
        identity=identity,
    )


def random_networks() -> Networks:
    """Build the small networks on the CPU in float32, without a file."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        networks = build(TINY, PixelIdentity())
        with torch.no_grad():
            for module in networks.modules().values():
                _awaken(module)
    networks.settle("cpu", torch.float32)
    return networks


def _awaken(module: nn.Module) -> None:
    """Draw what begins at zero, so that every part has a say."""
    for parameter in module.parameters():
        if not bool(parameter.any()):
            inputs = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.normal_(std=0.1 / math.sqrt(inputs))
