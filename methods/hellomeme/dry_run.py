"""The networks of ``weights=random-tiny``: small, random but always the same, for dry runs of the whole chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ...core.digest import seed_for
from .adapters import MotionKnits, ReferenceAdapter
from .architecture import TINY, TOKENS
from .control import CLIP_WIDTH, ControlNetwork
from .inputs import FACE, Control
from .networks import Networks
from .pdfgc import PdFgcEncoder

M = TypeVar("M", bound=nn.Module)
_SEED = 4


def random_networks(style: str, control: Control) -> Networks:
    """Build all networks on the CPU in float32, without a file.

    The projections that new adapters keep at zero are random too, so that every adapter has a say.

    Args:
        style: In "x2" one base model does what two do in "x1".
        control: Which expression encoder is built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        denoiser, decoder = UNet2DConditionModel(**TINY.unet()), AutoencoderKL(**TINY.codec())
        own_helper, own_encoder = UNet2DConditionModel(**TINY.unet()), AutoencoderKL(**TINY.codec())
        if style == "x2":
            own_helper.load_state_dict(denoiser.state_dict())
            own_encoder.load_state_dict(decoder.state_dict())
        networks = Networks(
            denoiser=denoiser,
            helper=own_helper,
            reference=_awake(ReferenceAdapter(TINY.up_channels)),
            motion=_awake(MotionKnits(TINY.channels, TINY.up_channels)),
            animatediff=MotionAdapter(**TINY.animatediff()),
            control=_awake(ControlNetwork(TINY.control_channels, TINY.channels)),
            expression=PdFgcEncoder() if control is Control.CNTRL2 else None,
            vision=_random_vision() if control is Control.CNTRL1 else None,
            words=random_words,
            reference_words=random_words,
            encoder=own_encoder,
            decoder=decoder,
        )
    networks.settle("cpu", torch.float32)
    return networks


def random_words(texts: Sequence[str]) -> Tensor:
    """Standard normal numbers that follow from each text, shape (N, 77, D)."""
    seeds = [torch.Generator().manual_seed(seed_for(_SEED, text)) for text in texts]
    return torch.stack([torch.randn((TOKENS, TINY.text_width), generator=seed) for seed in seeds])


def _awake(module: M) -> M:
    """Draw what the module begins with at zero."""
    for name, parameter in module.named_parameters():
        if name.endswith("proj.weight") and parameter.ndim == 4:
            nn.init.kaiming_normal_(parameter)
    return module


def _random_vision() -> CLIPVisionModelWithProjection:
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        projection_dim=CLIP_WIDTH,
        image_size=FACE,
        patch_size=FACE // 4,
    )
    return CLIPVisionModelWithProjection(config)
