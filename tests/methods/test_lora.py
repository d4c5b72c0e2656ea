"""LoRA in and out of a module: bit-exact afterwards, loadable by diffusers, no memory left behind."""

from __future__ import annotations

import gc
import json

import diffusers
import pytest
import torch
from safetensors import safe_open

from portraitbench.core.errors import ConfigError
from portraitbench.methods.lora import injected_lora, unchanged

TARGETS = r".*\.(to_q|to_v|conv1)"


def make_unet(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return diffusers.UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            block_out_channels=(4, 8),
            layers_per_block=1,
            norm_num_groups=2,
            cross_attention_dim=4,
            attention_head_dim=2,
        ).eval()


@pytest.fixture
def unet():
    return make_unet()


def answer(unet):
    random = torch.Generator().manual_seed(0)
    noisy, tokens = torch.randn((1, 4, 8, 8), generator=random), torch.randn((1, 3, 4), generator=random)
    with torch.no_grad():
        return unet(noisy, torch.tensor([10]), tokens).sample


def test_adapters_stay_in_float32_inside_a_module_of_16_bit(unet):
    unet.to(torch.bfloat16)
    noisy, tokens = torch.randn(1, 4, 8, 8).bfloat16(), torch.randn(1, 3, 4).bfloat16()
    with injected_lora(unet, TARGETS, rank=2, seed=0) as lora:
        assert {parameter.dtype for parameter in lora.parameters} == {torch.float32}
        unet(noisy, torch.tensor([10]), tokens).sample.float().square().mean().backward()
        assert all(bool(parameter.grad.isfinite().all()) for parameter in lora.parameters)
        assert any(bool(parameter.grad.any()) for parameter in lora.parameters)


def disturb(lora):
    """Train-like change: both factors away from zero."""
    random = torch.Generator().manual_seed(1)
    for parameter in lora.parameters:
        parameter.data.copy_(0.1 * torch.randn(parameter.shape, generator=random))


def everything(module):
    """All that can be seen of a module from outside."""
    own = [
        (name, id(part), part.training, sorted(part.__dict__), sorted(part._forward_hooks), sorted(part._modules))
        for name, part in module.named_modules()
    ]
    weights = [(name, id(p), p.requires_grad, p.grad, p._version) for name, p in module.named_parameters()]
    return own, weights


def test_fresh_adapters_change_nothing_and_trained_ones_do(unet):
    before = answer(unet)
    with injected_lora(unet, TARGETS, rank=2, seed=0) as lora:
        assert torch.equal(answer(unet), before)
        disturb(lora)
        assert not torch.allclose(answer(unet), before, atol=1e-3)
        lora.enable(False)
        assert torch.equal(answer(unet), before)
        lora.enable(True)
        assert not torch.equal(answer(unet), before)


def test_only_adapters_are_trained(unet):
    with injected_lora(unet, TARGETS, rank=2, seed=0) as lora:
        trained = {id(p) for p in unet.parameters() if p.requires_grad}
        assert trained == {id(p) for p in lora.parameters}
        lora.enable(False)
        lora.enable(True)
        assert all(p.requires_grad for p in lora.parameters)


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_itself_again(unet, fails):
    next(unet.parameters()).requires_grad_(False)
    before, output = everything(unet), answer(unet)
    try:
        with injected_lora(unet, TARGETS, rank=2, seed=0) as lora:
            disturb(lora)
            unet.enable_gradient_checkpointing()
            unet.train()
            unet.register_forward_hook(lambda *_: None)
            if fails:
                raise RuntimeError("in the middle")
    except RuntimeError:
        assert fails
    assert everything(unet) == before
    assert torch.equal(answer(unet), output)
    assert not hasattr(unet, "peft_config")


def test_leaving_restores_the_modules_of_any_kind_of_change(unet):
    before = everything(unet)
    with unchanged(unet):
        unet.conv_in = torch.nn.Identity()
        unet.extra = torch.nn.Linear(1, 1)
        del unet.conv_out
        unet.config_note = "x"
    assert everything(unet) == before


def test_the_seed_decides_the_first_weights_and_leaves_the_global_state(unet):
    states = []
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    for seed in (7, 7, 8):
        with injected_lora(unet, TARGETS, rank=2, seed=seed) as lora:
            states.append(lora.state())
    assert torch.equal(torch.rand(3), expected)
    name = next(name for name in states[0] if "lora_A" in name)
    assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0][name], states[2][name])


def test_state_and_load(unet):
    with injected_lora(unet, TARGETS, rank=2, seed=0) as lora:
        disturb(lora)
        kept, output = lora.state(), answer(unet)
    with injected_lora(unet, TARGETS, rank=2, seed=5) as lora:
        lora.load(kept)
        assert torch.equal(answer(unet), output)
        kept.popitem()
        with pytest.raises(ValueError, match="other layers"):
            lora.load(kept)


def test_diffusers_loads_the_file(unet, tmp_path):
    path = tmp_path / "lora" / "one.safetensors"
    with injected_lora(unet, TARGETS, rank=3, seed=0) as lora:
        disturb(lora)
        output = answer(unet)
        lora.save(path)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["lora_adapter_metadata"])["unet.r"] == 3
    fresh = make_unet()
    fresh.load_lora_adapter(str(path.parent), weight_name=path.name, prefix="unet")
    torch.testing.assert_close(answer(fresh), output, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(answer(make_unet()), output, atol=1e-3)


def test_a_pattern_without_a_layer_is_refused_in_one_line(unet):
    before = everything(unet)
    with (
        pytest.raises(ConfigError, match="nothing_here") as refused,
        injected_lora(unet, "nothing_here", rank=2, seed=0),
    ):
        pass
    assert "\n" not in str(refused.value)
    assert everything(unet) == before


def test_fifty_uses_leave_nothing_behind():
    module = torch.nn.ModuleDict({name: torch.nn.Linear(4, 4) for name in ("to_q", "to_v", "other")})

    def use():
        with injected_lora(module, "to_.", rank=2, seed=0) as lora:
            disturb(lora)

    def count():
        gc.collect()
        objects = gc.get_objects()
        return len(objects), sum(issubclass(type(one), (torch.Tensor, torch.nn.Module)) for one in objects)

    use()
    use()
    objects, tensors = count()
    for _ in range(50):
        use()
    more_objects, more_tensors = count()
    assert more_tensors == tensors
    assert more_objects - objects < 50  # one leaked object per use would show
