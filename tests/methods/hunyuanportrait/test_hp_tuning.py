"""StrucBooth on HunyuanPortrait: gradients with activations computed again, windows, files with their terms."""

from __future__ import annotations

import json
from pathlib import Path

import hp_answers
import hp_native as native
import numpy as np
import pytest
import torch
from safetensors import safe_open

from portraitbench.core.registry import load_plugin
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.observer import Observer
from portraitbench.methods.base import Inputs, MethodContext
from portraitbench.methods.hunyuanportrait.weights import NOTICE
from portraitbench.methods.lora import injected_lora
from portraitbench.methods.strucbooth.tuner import StrucBooth
from portraitbench.methods.tuned_method import TunedMethod


def kept_bytes(run):
    """What autograd keeps of a forward pass, each storage once."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer = run()
    return answer, sum(storage.nbytes() for storage in kept.values())


def test_recomputing_gives_the_same_gradients_of_denoiser_and_decoder():
    own = native.generator(hp_answers.networks())
    given, noisy, t = hp_answers.selection(4), 4 * native.draw(9, 4, 4, 8, 8), torch.tensor([4.0])
    found = {}
    with injected_lora(own.denoiser, own.lora_targets, rank=2, seed=0) as lora:
        for parameter in lora.parameters:
            parameter.data.normal_(std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
        for recompute in (False, True):
            switch = (
                own.denoiser.enable_gradient_checkpointing if recompute else own.denoiser.disable_gradient_checkpointing
            )
            switch()
            v, kept = kept_bytes(lambda: own.denoise(noisy, t, given))
            gradients = torch.autograd.grad(v.square().mean(), lora.parameters)
            latents = noisy.clone().requires_grad_()
            frames, kept_frames = kept_bytes(lambda: own.decode(latents, 4))  # noqa: B023
            found[recompute] = torch.cat([one.flatten() for one in gradients]), kept, kept_frames
            (pulled,) = torch.autograd.grad(frames.square().mean(), latents)
            found[recompute] += (pulled,)
    for row in (0, 3):
        torch.testing.assert_close(
            found[True][row], found[False][row], rtol=1e-4, atol=1e-6 * float(found[False][row].abs().max() + 1)
        )
    assert found[True][1] < 0.5 * found[False][1]
    assert found[True][2] < 0.5 * found[False][2]
    assert float(found[False][0].abs().min()) >= 0
    assert float(found[False][0].abs().max()) > 0


@pytest.fixture
def tuned(tmp_path, fresh_registries):
    """Make StrucBooth on small networks, whose face models see a face always."""
    load_plugin(Path(__file__).parents[1] / "strucbooth" / "tiny_generators.py")
    observer = Observer([BACKENDS.get("tiny")({})])
    context = MethodContext(lambda: observer, device="cpu", cache=tmp_path)

    def make(generator=None, **options):
        own = native.generator(hp_answers.networks(), steps=4, **generator or {})
        own._side, own._context = 64, context
        return TunedMethod(own, StrucBooth({"steps": 2, "learning_rate": 1e-3} | options, context))

    return make


def case(frames=2):
    random = np.random.default_rng(0)
    clip = Clip(random.integers(0, 256, (frames, 90, 90, 3), dtype=np.uint8))
    return Inputs("one", Clip(clip.frames[:1]), clip, 7)


def test_a_case_is_tuned_and_its_file_carries_the_terms(tuned, tmp_path):
    method = tuned(save=str(tmp_path / "lora"), neighbours=1, patch_batch=4, segment=25, window_sigma=2.0)
    before = method.generator.probe()
    found = method.animate(case())
    assert len(found.clip) == 2
    assert found.detail["tuned_steps"] == 2
    levels = method.generator.parameterization.sampling_times(4)
    assert found.detail["lora_steps"] == int((levels[:-1] >= 2.0).sum()) == 3 - int(levels[2] < 2.0)
    assert method.generator.probe() == before
    with safe_open(tmp_path / "lora" / "one.safetensors", "pt") as file:
        metadata = file.metadata()
        assert any("temporal_transformer_blocks" in name for name in file.keys())  # noqa: SIM118 - no mapping
    assert metadata["license"] == NOTICE
    assert "non-commercial" in NOTICE.lower() or "Non-Commercial" in NOTICE
    assert json.loads(metadata["lora_adapter_metadata"])["unet.r"] == 8


@pytest.mark.slow
def test_the_motion_adapter_is_tuned_where_it_is_asked_for(tuned):
    method = tuned({"motion_adapter": True}, identity_weight=0)
    own = method.generator
    with injected_lora(own.denoiser, own.lora_targets, rank=2, seed=0) as lora:
        names = {name.partition(".lora_")[0].rpartition(".")[0] for name in lora.state()}
    assert any(name.endswith("processor.to_k_ip") for name in names)
    method.animate(case())


def test_both_losses_fall_when_it_is_tuned_for_longer(tuned):
    method = tuned(steps=12, learning_rate=3e-3, identity_weight=0, timesteps="0.6+0.9", trace=4)
    detail = method.animate(case(1)).detail
    assert detail["ldm_last"] < detail["ldm_first"]
