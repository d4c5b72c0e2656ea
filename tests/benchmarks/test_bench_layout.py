"""How weights of HelloMeme's and HunyuanPortrait's networks lie in memory: one step forward and back. --benchmark-only.

Random weights, medium sizes, adapters as in a tuning; the layouts stand side by side in one group. On a graphics card
in bf16, where there is one.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from portraitbench.methods.hellomeme.architecture import Architecture
from portraitbench.methods.hellomeme.random_generator import RandomWeightsHelloMeme
from portraitbench.methods.hunyuanportrait.architecture import Architecture as VideoArchitecture
from portraitbench.methods.hunyuanportrait.random_generator import RandomHunyuanPortrait
from portraitbench.methods.lora import injected_lora

SIDE = 192
DEVICE, PRECISION = ("cuda", "bf16") if torch.cuda.is_available() else ("cpu", "fp32")
SIZES = {
    "hellomeme": (
        RandomWeightsHelloMeme,
        Architecture(channels=(320, 320, 640, 640), side=SIDE, codec_channels=(64, 128, 256, 256)),
    ),
    "hunyuanportrait": (
        RandomHunyuanPortrait,
        VideoArchitecture(
            channels=(160, 320, 320, 320), heads=(5, 10, 10, 10), side=SIDE, codec_channels=(64, 128, 256, 256)
        ),
    ),
}
LAYOUTS = pytest.mark.parametrize("layout", ["contiguous", "channels-last"])


def generator(name, layout):
    kind, architecture = SIZES[name]
    own = kind(architecture, precision=PRECISION, device=DEVICE, seed=0)
    if layout == "channels-last":
        for module in own._networks.modules().values():
            for layer in module.modules():
                if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
                    layer.to(memory_format=torch.channels_last)
    return own


def latents(name):
    frames = 2 if name == "hunyuanportrait" else 1
    return torch.randn(frames, 4, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(0)).to(DEVICE)


def finished(gradients):
    """The gradients, once the device has them."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return gradients


@LAYOUTS
@pytest.mark.parametrize("name", SIZES)
def test_denoiser(benchmark, name, layout):
    benchmark.group = f"denoise-{name}"
    own, noisy = generator(name, layout), latents(name)
    conditions = own.select(own.random_conditions(len(noisy), SIDE, sampled=True), range(len(noisy)))
    t = torch.tensor([0.5] if name == "hunyuanportrait" else [500], device=DEVICE)
    with injected_lora(own.denoiser, own.lora_targets, rank=8, seed=0) as lora:

        def step():
            return finished(torch.autograd.grad(own.denoise(noisy, t, conditions).square().mean(), lora.parameters))

        assert len(benchmark.pedantic(step, rounds=5, warmup_rounds=1)) == len(lora.parameters)


@LAYOUTS
@pytest.mark.parametrize("name", SIZES)
def test_decoder(benchmark, name, layout):
    benchmark.group = f"decode-{name}"
    own = generator(name, layout)
    given = latents(name)[:1].requires_grad_()

    def step():
        return finished(torch.autograd.grad(own.decode(given).square().mean(), given))[0]

    assert benchmark.pedantic(step, rounds=5, warmup_rounds=1).shape == given.shape
