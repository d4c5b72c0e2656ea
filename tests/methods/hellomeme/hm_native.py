"""Our networks on name-seeded weights, asked fixed questions. The answers are what golden files and upstream check."""

from __future__ import annotations

import torch
from diffusers import MotionAdapter, UNet2DConditionModel
from hm_weights import fill, normal

from portraitbench.methods.hellomeme.adapted_unet import AdapterInputs, WiredUNet, share_into_motion_unet
from portraitbench.methods.hellomeme.adapters import MotionKnits, ReferenceAdapter
from portraitbench.methods.hellomeme.architecture import DOWN_STRIDES, TINY, UP_STRIDES
from portraitbench.methods.hellomeme.control import ControlNetwork
from portraitbench.methods.hellomeme.feature_maps import Maps
from portraitbench.methods.hellomeme.pdfgc import PdFgcEncoder

TIME = 501
VIDEO_FRAMES = 4


def given_maps(label, *frames, scale=1.0):
    """Maps of a batch of two at the blocks of the tiny UNet, with ``frames`` as a second axis if given."""

    def one(side, channels, strides):
        cells = [TINY.cells // stride for stride in strides]
        shapes = [(2, *frames, width, cell, cell) for width, cell in zip(channels, cells, strict=True)]
        return tuple(scale * normal(f"{label}.{side}.{row}", *shape) for row, shape in enumerate(shapes))

    return Maps(one("down", TINY.channels, DOWN_STRIDES), one("up", TINY.up_channels, UP_STRIDES))


def question(frames, pads=False):
    """Latents, text and what the adapters are given, for a batch of two."""
    latents = normal("latents", 2, frames, 4, TINY.cells, TINY.cells)
    given = AdapterInputs(
        given_maps("control", frames, scale=0.3), given_maps("reference"), given_maps("pads", 2) if pads else None
    )
    return latents, normal("text", 2, 77, TINY.text_width), given


def heat_maps(frames=4):
    return normal("condition", frames, 3, TINY.side, TINY.side).clamp(-1, 1)


CODES = ("code", 4, 548)
COEFFICIENTS, PARTS = ("coefficients", 4, 51), ("parts", 4, 3, 1024)


def control_network():
    return fill(ControlNetwork(TINY.control_channels, TINY.channels), "control.")


def unet():
    return fill(UNet2DConditionModel(**TINY.unet()), "unet.")


def reference_adapter():
    return fill(ReferenceAdapter(TINY.up_channels), "reference.")


def motion_knits():
    return fill(MotionKnits(TINY.channels, TINY.up_channels), "motion.")


def animatediff():
    return fill(MotionAdapter(**TINY.animatediff()), "animatediff.")


def wired_image(plain=None):
    return WiredUNet(plain or unet(), reference_adapter(), motion_knits())


def wired_video(plain=None):
    plain = plain or unet()
    video = share_into_motion_unet(plain, animatediff())
    return WiredUNet(video, reference_adapter(), motion_knits(), leader=plain)


def named(maps):
    """Maps as a dict."""
    down = {f"down_{row}": one for row, one in enumerate(maps.down)}
    return down | {f"up_{row}": one for row, one in enumerate(maps.up)}


@torch.no_grad()
def control_cntrl2():
    net = control_network()
    return named(net(heat_maps(), net.code_tokens(normal(*CODES))))


@torch.no_grad()
def control_cntrl1():
    net = control_network()
    return named(net(heat_maps(), net.coefficient_tokens(normal(*COEFFICIENTS).abs(), normal(*PARTS))))


def features():
    latents, text, _ = question(1)
    return named(WiredUNet(unet()).features(latents[:, 0], text))


@torch.no_grad()
def denoise_image():
    latents, text, given = question(1)
    return {"noise": wired_image()(latents, torch.tensor(TIME), text, given)}


@torch.no_grad()
def denoise_frames():
    latents, text, given = question(2)
    return {"noise": wired_image()(latents, torch.tensor(TIME), text, given)}


@torch.no_grad()
def denoise_video():
    latents, text, given = question(VIDEO_FRAMES, pads=True)
    return {"noise": wired_video()(latents, torch.tensor(TIME), text, given)}


def gradients():
    """Gradients of a random projection of the noise, to the latents and to one attention layer."""
    answers = {}
    for kind, frames in (("image", 1), ("video", 3)):
        plain = unet().requires_grad_(False)
        wired = wired_image(plain) if kind == "image" else wired_video(plain)
        latents, text, given = question(frames, pads=kind == "video")
        layer = plain.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q.weight.requires_grad_(True)
        noise = wired(latents.requires_grad_(True), torch.tensor(TIME), text, given)
        loss = (noise * normal(f"probe {kind}", *noise.shape)).sum()
        answers[f"{kind}_latents"], answers[f"{kind}_to_q"] = torch.autograd.grad(loss, [latents, layer])
    return answers


@torch.no_grad()
def expression():
    return {"code": fill(PdFgcEncoder(), "pdfgc.")(normal("face", 2, 3, 224, 224).clamp(-1, 1))}


ANSWERS = {
    answer.__name__: answer
    for answer in (
        control_cntrl2,
        control_cntrl1,
        features,
        denoise_image,
        denoise_frames,
        denoise_video,
        gradients,
        expression,
    )
}
