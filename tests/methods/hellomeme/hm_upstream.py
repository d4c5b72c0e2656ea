"""The same questions, put to HelloMeme's own code in a checkout that HELLOMEME_UPSTREAM names. None of it is here.

Only the classes that upstream takes from torchvision are stood in for: one residual unit.
"""

from __future__ import annotations

import os
import sys
import types

import hm_case
import hm_native as native
import torch
from diffusers import PNDMScheduler, UNet2DConditionModel
from hm_weights import fill, normal
from PIL import Image
from torch import nn
from torch.nn import functional as F

from portraitbench.methods.hellomeme.architecture import TINY
from portraitbench.methods.hellomeme.schedule import BETAS

ROOT = os.environ.get("HELLOMEME_UPSTREAM", "")


class BasicBlock(nn.Module):
    """The two-convolution unit of residual networks, as far as upstream relies on it."""

    def __init__(self, inplanes, planes, stride=1, downsample=None, norm_layer=nn.BatchNorm2d):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False), norm_layer(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False), norm_layer(planes)
        self.downsample = downsample

    def forward(self, maps):
        straight = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        return F.relu(straight + (maps if self.downsample is None else self.downsample(maps)))


def load():
    """Import upstream's package."""
    import transformers
    from diffusers import StableDiffusionImg2ImgPipeline
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

    # Touching these makes the libraries look for torchvision before the stand-in is there.
    assert transformers
    assert all((StableDiffusionImg2ImgPipeline, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection))
    if "torchvision" not in sys.modules:
        names = ("torchvision", "torchvision.models", "torchvision.models.resnet")
        top, models, resnet = (types.ModuleType(name) for name in names)
        resnet.BasicBlock, models.resnet, top.models = BasicBlock, resnet, models
        sys.modules.update(zip(names, (top, models, resnet), strict=True))
    if ROOT not in sys.path:
        sys.path.insert(0, ROOT)
    import hellomeme.models as models_of_upstream

    return models_of_upstream


def control_network():
    net = load().HMV3ControlNet(block_out_channels=TINY.control_channels)
    # These two are fixed at Stable Diffusion's sizes.
    net.conv_up2_down0 = nn.Conv2d(TINY.control_channels[2], TINY.channels[0], 1, bias=False)
    net.conv_up1_down1 = nn.Conv2d(TINY.control_channels[3], TINY.channels[1], 1, bias=False)
    return fill(net, "control.")


def adapters():
    sizes = {"block_down_channels": TINY.channels, "block_up_channels": TINY.up_channels}
    models = load()
    return [
        fill(models.HM3ReferenceAdapter(**sizes), "reference."),
        fill(models.HM3MotionAdapter(**sizes), "motion."),
    ]


def image_unet(*inserted):
    net = fill(load().HM3Denoising3D(**TINY.unet()), "unet.")
    for adapter in inserted:
        net.insert_reference_adapter(adapter)
    return net.eval()


def video_unet():
    plain = fill(UNet2DConditionModel(**TINY.unet()), "unet.")
    net = load().HM3DenoisingMotion.from_unet2d(plain, native.animatediff())
    for adapter in adapters():
        net.insert_reference_adapter(adapter)
    return net.eval()


def _frames_third(maps):
    return maps.transpose(1, 2)


def _denoise(net, latents, text, given, t=native.TIME):
    control = {
        f"{side}3_{row}": _frames_third(one)
        for side in ("down", "up")
        for row, one in enumerate(getattr(given.control, side))
    }
    pads = {}
    if given.pads is not None:
        named = {name: _frames_third(one) for name, one in native.named(given.pads).items()}
        pads = {"motion_pad_hidden_states": named, "use_motion": True}
    noise = net(
        latents.transpose(1, 2),
        torch.tensor(t),
        encoder_hidden_states=text,
        reference_hidden_states=native.named(given.reference),
        control_hidden_states=control,
        return_dict=False,
        **pads,
    )[0]
    return noise.transpose(1, 2)


def _control(**tokens):
    frames = len(native.heat_maps())
    condition = native.heat_maps().transpose(0, 1)[None]
    with torch.no_grad():
        maps = control_network()(condition=condition, **{name: value[None] for name, value in tokens.items()})
    return {name.replace("3_", "_"): one[0].transpose(0, 1) for name, one in maps.items() if one.shape[2] == frames}


def control_cntrl2():
    return _control(emo_embedding=normal(*native.CODES))


def control_cntrl1():
    return _control(drive_coeff=normal(*native.COEFFICIENTS).abs(), face_parts=normal(*native.PARTS))


@torch.no_grad()
def features():
    latents, text, _ = native.question(1)
    return image_unet()(latents.transpose(1, 2), 0, encoder_hidden_states=text, return_dict=False)[1]


@torch.no_grad()
def denoise_image():
    return {"noise": _denoise(image_unet(*adapters()), *native.question(1))}


@torch.no_grad()
def denoise_frames():
    return {"noise": _denoise(image_unet(*adapters()), *native.question(2))}


@torch.no_grad()
def denoise_video():
    return {"noise": _denoise(video_unet(), *native.question(native.VIDEO_FRAMES, pads=True))}


def gradients():
    answers = {}
    for kind, frames in (("image", 1), ("video", 3)):
        net = (image_unet(*adapters()) if kind == "image" else video_unet()).requires_grad_(False)
        latents, text, given = native.question(frames, pads=kind == "video")
        layer = net.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q.weight.requires_grad_(True)
        noise = _denoise(net, latents.requires_grad_(True), text, given)
        loss = (noise * normal(f"probe {kind}", *noise.shape)).sum()
        answers[f"{kind}_latents"], answers[f"{kind}_to_q"] = torch.autograd.grad(loss, [latents, layer])
    return answers


@torch.no_grad()
def expression():
    load()
    from hellomeme.tools.pdf import FanEncoder

    return {"code": fill(FanEncoder(), "pdfgc.")(normal("face", 2, 3, 224, 224).clamp(-1, 1))}


def keys(part):
    """State-dict keys and shapes of a published file."""
    module = {"reference": lambda: adapters()[0], "motion": lambda: adapters()[1], "control": control_network}[part]()
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def pipeline(kind, base=""):
    """Upstream's whole pipeline on a tiny Stable Diffusion; PNDM is that model's own scheduler."""
    load()
    import hellomeme.pipelines.pipline_hm3_video as video_module
    from hellomeme import HM3ImagePipeline, HM3VideoPipeline

    video_module.creat_model_from_cloud = lambda *_, **__: native.animatediff()
    pipe = (HM3ImagePipeline if kind == "image" else HM3VideoPipeline)(
        vae=hm_case.autoencoder(),
        text_encoder=hm_case.text_encoder(),
        tokenizer=hm_case.tokenizer(),
        unet=native.unet(),
        scheduler=PNDMScheduler(**BETAS, skip_prk_steps=True, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.caryomitosis(version="v3")
    others = [("unet_ref", "unet."), ("unet_pre", "unet."), ("vae", "vae."), ("text_encoder_ref", "text.")]
    for name, prefix in others if base else ():
        if hasattr(pipe, name):
            fill(getattr(pipe, name), base + prefix)
    reference, motion = adapters()
    pipe.unet.insert_reference_adapter(reference)
    if kind != "image":
        pipe.unet.insert_reference_adapter(motion)
        for adapter in adapters():
            pipe.unet_pre.insert_reference_adapter(adapter)
        pipe.unet_pre.eval()
    pipe.unet.eval()
    pipe.unet_ref.eval()
    pipe.version, pipe.mp_control = "v3", control_network()
    return pipe


def sample(kind, base=""):
    """Latents as a decoder wants them, shape (F, 4, h, w)."""
    heat_maps, codes = hm_case.case(hm_case.FRAMES[kind])
    pipe = pipeline(kind, base)
    torch.manual_seed(hm_case.NOISE_SEED)  # the noise that the image sampler adds comes from the global stream
    _, latents = pipe(
        prompt=[hm_case.PROMPT],
        negative_prompt=[""],
        image=Image.fromarray(hm_case.picture()),
        strength=1.0,
        num_inference_steps=hm_case.STEPS.get(kind, 1),
        guidance_scale=hm_case.GUIDANCE,
        drive_params={"condition": heat_maps.transpose(0, 1)[None], "pd_fpg": codes[None]},
        generator=torch.Generator().manual_seed(hm_case.SEED),
        output_type="np",
        device="cpu",
    )
    return {"latents": latents if kind == "image" else latents[0].transpose(0, 1)}


ANSWERS = {name: globals()[name] for name in native.ANSWERS}
