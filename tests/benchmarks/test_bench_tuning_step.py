"""What makes a tuning step of pocket cheap: the optimizer's form, and how weights lie in memory. --benchmark-only."""

from __future__ import annotations

import pytest
import torch

from portraitbench.methods.lora import injected_lora
from portraitbench.methods.pocket.generator import Pocket
from portraitbench.methods.pocket.sketch import SKETCH
from portraitbench.methods.pocket.unet import DenoiserInputs, load_denoiser
from portraitbench.methods.strucbooth.optimizer import make_optimizer


@pytest.fixture
def denoiser():
    return load_denoiser()


def inputs():
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(4, 1, 8, 32, 32, generator=generator)
    driving, sketch = torch.randn(1, 16, generator=generator), torch.rand(1, SKETCH, 32, 32, generator=generator)
    given = DenoiserInputs(latents[0], latents[1], latents[2].abs(), driving, sketch)
    return latents[3], torch.tensor([500]), given


@pytest.mark.benchmark(group="adamw-pocket")
@pytest.mark.parametrize("form", ["loop", "fused"])
def test_optimizer(benchmark, denoiser, form):
    with injected_lora(denoiser.unet, Pocket.lora_targets, rank=8, seed=0) as lora:
        for parameter in lora.parameters:
            parameter.grad = torch.full_like(parameter, 0.1)
        plain = torch.optim.AdamW(lora.parameters, lr=1e-3, foreach=False)
        optimizer = make_optimizer(lora.parameters, 1e-3) if form == "fused" else plain
        benchmark(optimizer.step)
        assert all(bool(parameter.isfinite().all()) for parameter in lora.parameters)


@pytest.mark.benchmark(group="denoise-pocket")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels-last"])
def test_denoiser(benchmark, denoiser, layout):
    denoiser.to(memory_format=layout)
    noisy, t, given = inputs()
    with injected_lora(denoiser.unet, Pocket.lora_targets, rank=8, seed=0) as lora:

        def step():
            return torch.autograd.grad(denoiser(noisy, t, given).square().mean(), lora.parameters)

        assert len(benchmark(step)) == len(lora.parameters)
