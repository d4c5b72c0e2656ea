"""Keys and shapes of the separately published files, at real size, without memory for them (meta device)."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import torch
from diffusers import MotionAdapter, UNet2DConditionModel

from portraitbench.methods.hellomeme.adapted_unet import share_into_motion_unet
from portraitbench.methods.hellomeme.adapters import MotionKnits, ReferenceAdapter
from portraitbench.methods.hellomeme.architecture import REAL
from portraitbench.methods.hellomeme.control import ControlNetwork
from portraitbench.methods.hellomeme.pdfgc import PdFgcEncoder


def build(make):
    with torch.device("meta"):
        return make()


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def attention_keys(name, width, context=None):
    context = context or width
    return {
        f"{name}.to_q.weight": (width, width),
        f"{name}.to_k.weight": (width, context),
        f"{name}.to_v.weight": (width, context),
        f"{name}.to_out.0.weight": (width, width),
        f"{name}.to_out.0.bias": (width,),
    }


def norm_keys(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def convolution_keys(name, width):
    return {f"{name}.weight": (width, width, 3, 3), f"{name}.bias": (width,)}


def gated_keys(name, width):
    return {
        f"{name}.net.0.proj.weight": (4 * width, width),
        f"{name}.net.0.proj.bias": (4 * width,),
        f"{name}.net.2.weight": (width, 2 * width),
        f"{name}.net.2.bias": (width,),
    }


def embedding_keys(name, before):
    return {
        f"{name}.linear_1.weight": (320, before),
        f"{name}.linear_1.bias": (320,),
        f"{name}.linear_2.weight": (320, 320),
        f"{name}.linear_2.bias": (320,),
    }


def expected_reference():
    table = {}
    for index, width in enumerate((1280, 1280, 1280, 640)):
        own = f"reference_modules_up.{index}"
        table |= {f"{own}.pos_embed.pe": (1, 128, width)}
        table |= attention_keys(f"{own}.attn1", width) | attention_keys(f"{own}.attn2", width)
        table |= norm_keys(f"{own}.norm", width) | convolution_keys(f"{own}.proj", width)
    return table


def expected_motion():
    table = {}
    for side, widths in (("down", (320, 640, 1280, 1280)), ("up", (1280, 1280, 1280, 640))):
        for index, width in enumerate(widths):
            own = f"motion_{side}.{index}"
            table |= {
                f"{own}.pos_embed_t.pe": (1, 154, width),
                f"{own}.time_emb_proj.weight": (width, 1280),
                f"{own}.time_emb_proj.bias": (width,),
            }
            table |= attention_keys(f"{own}.temp_attn", width) | norm_keys(f"{own}.norm", width)
            table |= gated_keys(f"{own}.ff", width) | convolution_keys(f"{own}.proj", width)
    return table


def expected_control():
    table = {
        "conv_in.weight": (128, 3, 3, 3),
        "conv_up2_down0.weight": (320, 1280, 1, 1),
        "conv_up1_down1.weight": (640, 1280, 1, 1),
    }
    table |= embedding_keys("emo_proj", 320) | embedding_keys("exp_proj", 320) | embedding_keys("face_proj", 1024)
    widths = (128, 640, 1280, 1280, 1280)
    for index, (before, after) in enumerate(pairwise(widths)):
        own = f"blocks_down.{index}"
        table |= {
            f"{own}.conv.conv1.weight": (after, before, 3, 3),
            f"{own}.conv.conv2.weight": (after, after, 3, 3),
            f"{own}.conv.downsample.0.weight": (after, before, 1, 1),
            f"{own}.pos_embed.pe": (1, 64, after),
            f"{own}.pos_embed_hidden.pe": (1, 1024, 320),
        }
        for number in "12":
            table |= norm_keys(f"{own}.norm{number}", after) | attention_keys(f"{own}.attn{number}", after, 320)
        table |= gated_keys(f"{own}.ff", after) | convolution_keys(f"{own}.proj", after)
    return table


@pytest.mark.parametrize(
    ("make", "expected", "entries", "parameters"),
    [
        (lambda: ReferenceAdapter(REAL.up_channels), expected_reference, 60, 90_544_000),
        (lambda: MotionKnits(REAL.channels, REAL.up_channels), expected_motion, 128, 183_478_400),
        (lambda: ControlNetwork(REAL.control_channels, REAL.channels), expected_control, 115, 198_735_616),
    ],
    ids=["hm3_reference", "hm3_motion", "hm3_control_mix"],
)
def test_keys_and_shapes_are_those_of_the_published_files(make, expected, entries, parameters):
    module = build(make)
    assert shapes(module) == expected()
    assert len(module.state_dict()) == entries
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


def test_the_expression_encoder_has_the_published_count_of_entries_and_parameters():
    encoder = build(PdFgcEncoder)
    assert len(encoder.state_dict()) == 376
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 8_506_313
    own = shapes(encoder)
    assert own["model.fc.weight"] == (512, 784)
    assert own["model.l0.weight"] == (68, 256, 1, 1)
    assert own["mouth_embed.1.weight"] == (500, 512)
    hourglass = {name.split(".")[2] for name in own if name.startswith("model.m0.")}
    assert hourglass == {f"b{b}_{level}" for b in "123" for level in "1234"} | {"b2_plus_1"}


def test_what_new_adapters_add_is_zero_until_they_are_loaded():
    knit = ReferenceAdapter((32,)).reference_modules_up[0]
    maps = torch.randn(2, 32, 4, 4)
    assert torch.equal(knit(maps, torch.randn(1, 32, 4, 4)), maps)


def test_image_and_motion_unet_share_every_layer_and_have_the_published_sizes():
    unet = build(lambda: UNet2DConditionModel(**REAL.unet()))
    assert len(unet.state_dict()) == 686
    assert sum(parameter.numel() for parameter in unet.parameters()) == 859_520_964
    assert 859_520_964 + 90_544_000 == 950_064_964  # the image denoiser of the reference
    animatediff = build(lambda: MotionAdapter(**REAL.animatediff()))
    assert sum(parameter.numel() for parameter in animatediff.parameters()) == 453_209_280
    names = [name for name, _ in unet.named_modules() if re.search(r"\.attn[12]\.to_q$", name)]
    assert len(names) == 32
    with pytest.raises(ValueError, match="lack"):  # meta weights count as missing: nothing real may be left out
        share_into_motion_unet(unet, animatediff)
