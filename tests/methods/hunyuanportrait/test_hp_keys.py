"""Names and shapes of all tensors at the real size, against those of upstream's classes; damaged and foreign files."""

import json
import math
import os

import hp_keys
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from portraitbench.core.checkpoints import load_strictly
from portraitbench.core.errors import WeightsError
from portraitbench.methods.hunyuanportrait import weights
from portraitbench.methods.hunyuanportrait.architecture import REAL
from portraitbench.methods.hunyuanportrait.dry_run import build
from portraitbench.methods.hunyuanportrait.published import _tensors, modules_by_file

TABLE = json.loads(hp_keys.TABLE.read_text())


@pytest.fixture(scope="module")
def real():
    with torch.device("meta"):
        return modules_by_file(build(REAL, nn.Module()))


def shapes(module):
    return {name: list(tensor.shape) for name, tensor in module.state_dict().items()}


def test_names_and_shapes_are_upstreams(real):
    for file, module in real.items():
        if file.name in TABLE:
            assert shapes(module) == TABLE[file.name], file.name
    assert {file.name for file in real} - set(TABLE) == {weights.CODEC.name, weights.PROJECTION.name}


def test_the_projection_has_bare_names(real):
    assert shapes(real[weights.PROJECTION]) == {"weight": [64, 261], "bias": [64]}


def test_every_file_holds_as_many_values_as_its_entry_says(real):
    for file, module in real.items():
        assert sum(math.prod(shape) for shape in shapes(module).values()) == file.values, file.name


def test_the_denoiser_has_the_published_heads(real):
    unet = real[weights.UNET]
    heads = [block.attentions[0].transformer_blocks[0].attn2.heads for block in unet.down_blocks[:3]]
    assert [*heads, unet.mid_block.attentions[0].transformer_blocks[0].attn2.heads] == [5, 10, 20, 20]


@pytest.mark.skipif(not os.environ.get("HP_UPSTREAM"), reason="HP_UPSTREAM names no checkout")
def test_the_table_is_upstreams():
    import hp_upstream

    hp_upstream.prepare()
    assert hp_keys.upstream_shapes() == TABLE


def _load(module, path):
    file = weights.CODEC if path.suffix == ".safetensors" else weights.PROJECTION
    load_strictly(module, _tensors(path, file), path, weights.OWNER, assign=True)


def write(state, path):
    """As the publishers do: a torch checkpoint, or safetensors for the codec."""
    (save_file if path.suffix == ".safetensors" else torch.save)(state, path)


FORMS = ["image_proj.pth", "diffusion_pytorch_model.fp16.safetensors"]


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("bias"),
        lambda state: state.update(extra=torch.zeros(1)),
        lambda state: state.update(weight=torch.zeros(64, 260)),
    ],
    ids=["missing", "extra", "shape"],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_foreign_file_is_one_line(tmp_path, change, form):
    path, module = tmp_path / form, build_projection()
    state = {name: tensor.clone() + 1 for name, tensor in module.state_dict().items()}
    write(state, path)
    _load(module, path)
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())
    change(state)
    write(state, path)
    with pytest.raises(WeightsError) as caught:
        _load(module, path)
    assert form in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"<!DOCTYPE html><html></html>"])
def test_a_damaged_file_is_one_line(tmp_path, damage, form):
    path, module = tmp_path / form, build_projection()
    write(module.state_dict(), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError) as caught:
        _load(module, path)
    assert form in str(caught.value)
    assert "\n" not in str(caught.value)


def build_projection():
    from portraitbench.methods.hunyuanportrait.appearance import TokenProjection

    return TokenProjection(64)
