"""Published files load strictly: what is missing, cut short or of another model is one line."""

from __future__ import annotations

import pytest
import torch
from diffusers import MotionAdapter
from hm_weights import fill
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from portraitbench.core.errors import WeightsError
from portraitbench.methods.base import MethodContext
from portraitbench.methods.hellomeme.adapters import ReferenceAdapter
from portraitbench.methods.hellomeme.generator import HelloMeme
from portraitbench.methods.hellomeme.loading import load_adapter, load_stock, model_file
from portraitbench.methods.hellomeme.options import HelloMemeOptions
from portraitbench.methods.hellomeme.published import Parts
from portraitbench.methods.hellomeme.weights import FACES, PARTS

FILE = "diffusion_pytorch_model.safetensors"


def make():
    return ReferenceAdapter((16, 32))


@pytest.fixture
def folder(tmp_path):
    adapter = fill(make(), "reference.")
    save_file(adapter.state_dict(), tmp_path / FILE)
    return tmp_path


def rewrite(folder, change):
    state = load_file(folder / FILE)
    change(state)
    save_file(state, folder / FILE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_adapter_comes_back_in_the_precision_asked_for(folder, dtype):
    loaded, expected = load_adapter(make, folder, dtype), fill(make(), "reference.")
    assert {value.dtype for value in loaded.state_dict().values()} == {dtype}
    for name, value in expected.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.to(dtype))
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in loaded.parameters())


def test_the_files_own_positions_are_used(folder):
    """Files of 16 bit carry rounded positions; upstream computes with those."""
    name = "reference_modules_up.0.pos_embed.pe"
    rewrite(folder, lambda state: state.update({name: state[name].half().float()}))
    assert torch.equal(load_adapter(make, folder, torch.float32).state_dict()[name], load_file(folder / FILE)[name])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda state: state.pop("reference_modules_up.0.norm.weight"), "1 tensors missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 tensors unknown"),
        (lambda state: state.update({"reference_modules_up.1.proj.bias": torch.zeros(5)}), "of another shape"),
    ],
)
def test_another_model_is_refused_with_the_first_difference(folder, change, word):
    rewrite(folder, change)
    with pytest.raises(WeightsError, match=word) as caught:
        load_adapter(make, folder, torch.float32)
    assert "\n" not in str(caught.value)
    assert FILE in str(caught.value)


def test_a_file_cut_short_is_told(folder):
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cut short"):
        load_adapter(make, folder, torch.float32)


def test_a_folder_without_weights_is_told(tmp_path):
    with pytest.raises(WeightsError, match="holds no weights"):
        model_file(tmp_path)


@pytest.fixture
def motion_folder(tmp_path):
    sizes = {"block_out_channels": (32, 32), "motion_layers_per_block": 1, "use_motion_mid_block": False}
    MotionAdapter(**sizes).save_pretrained(tmp_path)
    return tmp_path


def test_stock_models_follow_the_config_beside_them(motion_folder):
    loaded = load_stock(MotionAdapter, motion_folder, torch.bfloat16)
    assert loaded.mid_block is None
    assert loaded.dtype is torch.bfloat16
    assert not loaded.training


def test_stock_models_are_refused_when_tensors_lack(motion_folder):
    rewrite(motion_folder, lambda state: state.pop(min(state)))
    with pytest.raises(WeightsError, match="1 tensors missing"):
        load_stock(MotionAdapter, motion_folder, torch.float32)


def test_stock_models_cut_short_are_told(motion_folder):
    (motion_folder / FILE).write_bytes((motion_folder / FILE).read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be loaded") as caught:
        load_stock(MotionAdapter, motion_folder, torch.float32)
    assert "\n" not in str(caught.value)


def test_models_of_transformers_load_too(tmp_path):
    config = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    loaded = load_stock(CLIPVisionModelWithProjection, tmp_path, torch.float16)
    assert loaded.dtype is torch.float16


@pytest.mark.parametrize(
    ("options", "wanted", "unwanted"),
    [
        ({}, {"stable-diffusion-v1-5/unet", "pd_fgc_motion"}, {"IP-Adapter/models/image_encoder"}),
        ({"style": "x2"}, {"realisticVisionV60B1_v51VAE/text_encoder"}, {"stable-diffusion-v1-5/unet"}),
        ({"control": "cntrl1"}, {"IP-Adapter/models/image_encoder"}, {"pd_fgc_motion"}),
    ],
)
def test_what_decides_pictures_is_in_the_digest_and_nothing_else(options, wanted, unwanted, tmp_path):
    made = lambda: Parts(HelloMemeOptions(**options, weights=str(tmp_path)), "cpu")  # noqa: E731
    every = {part.name for part in PARTS}
    for part in PARTS:
        for name in part.files or (FILE,):
            path = tmp_path / part.repository / part.below / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(part.name.encode())
    before = made().weights_digests
    names = set()
    for part in PARTS:
        path = tmp_path / part.repository / part.below / (part.files or (FILE,))[-1]
        path.write_bytes(b"something else")
        names |= {part.name} if made().weights_digests != before else set()
        path.write_bytes(part.name.encode())
    assert {f"{FACES}/hello_face_det.onnx", "stable-diffusion-v1-5/tokenizer"} <= names < every
    assert wanted <= names
    assert not unwanted & names


def test_the_first_missing_part_is_named(tmp_path):
    (tmp_path / "realisticVisionV60B1_v51VAE" / "unet").mkdir(parents=True)
    (tmp_path / "realisticVisionV60B1_v51VAE" / "unet" / FILE).write_bytes(b"anything")
    context = MethodContext(lambda: None, device="cpu", cache=tmp_path)
    with pytest.raises(WeightsError, match="realisticVisionV60B1_v51VAE/vae"):
        _ = HelloMeme({"weights": str(tmp_path)}, context).revision
