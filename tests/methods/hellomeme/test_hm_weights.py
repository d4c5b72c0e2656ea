"""Weights files at their real sizes, made of headers and holes: nothing of them is ever read but the headers."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re

import onnx
import pytest
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from onnx import TensorProto, helper

from portraitbench.core.errors import WeightsError
from portraitbench.core.weights import RECORD
from portraitbench.methods.hellomeme import inspection
from portraitbench.methods.hellomeme.architecture import REAL
from portraitbench.methods.hellomeme.inspection import inspect, require
from portraitbench.methods.hellomeme.weights import BASE, FACES, PARTS, needed, part_folder, part_named

INPUTS = {
    "hello_face_det.onnx": ((272, 160), 6),
    "hello_face_landmark.onnx": ((128, 128), 3),
    "hello_3dmm.onnx": ((224, 224), 1),
    "hello_arkit_blendshape.onnx": ((224, 224), 1),
}


def write_tensors(path, shapes):
    """A safetensors file of 16 bit whose tensors are a hole in the file."""
    header, place = {}, 0
    for name, shape in shapes.items():
        end = place + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + place)
    return path


def write_onnx(path, sides, outputs):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, *sides])
    names = [f"y{row}" for row in range(outputs)]
    nodes = [helper.make_node("Identity", ["x"], [name]) for name in names]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *sides]) for name in names]
    graph = helper.make_graph(nodes, "g", [image], values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def write_part(root, part):
    folder = root / part.repository / part.below
    tables = inspection.own_tables(folder)
    for name in part.files:
        folder.mkdir(parents=True, exist_ok=True)
        if name.endswith(".onnx"):
            write_onnx(folder / name, *INPUTS[name])
        else:
            (folder / name).write_text("{}")
    if not part.files:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        shapes = tables[part.name]() if part.name in tables else {"all": (part.parameters,)}
        write_tensors(folder / "diffusion_pytorch_model.safetensors", shapes)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    for part in PARTS:
        write_part(root, part)
    return root


def problem(part_name, root):
    """The one line about a part that is amiss."""
    with pytest.raises(WeightsError) as caught:
        require(part_named(part_name), root)
    line = str(caught.value)
    assert "\n" not in line
    assert "https://huggingface.co/songkey/" in line
    return line


def test_a_complete_folder_is_found_complete(complete):
    states = [state for part in PARTS for state in inspect(part, complete)]
    assert [state.problem for state in states if state.problem] == []
    assert {state.status for state in states} == {"found"}
    assert len(states) == 2 * 12 + 2 * 2 + 4


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_missing_part_says_what_to_fetch_and_from_where(part, tmp_path):
    with pytest.raises(WeightsError, match="bench data fetch --weights hellomeme --to") as caught:
        part_folder(part, tmp_path)
    line = str(caught.value)
    assert part.name in line
    assert part.url in line
    assert part.about in line
    assert {state.status for state in inspect(part, tmp_path)} == {"missing"}


@pytest.mark.parametrize("name", ["hm3_reference", "hm3_animatediff", "stable-diffusion-v1-5/unet"])
def test_a_file_cut_short_is_told_by_its_header(name, tmp_path):
    part = part_named(name)
    write_part(tmp_path, part)
    path = tmp_path / name / "diffusion_pytorch_model.safetensors"
    os.truncate(path, path.stat().st_size - 1)
    assert "is cut short" in problem(name, tmp_path)
    os.truncate(path, path.stat().st_size + 2)
    assert "is too long" in problem(name, tmp_path)
    os.truncate(path, 40)
    assert "not a readable safetensors" in problem(name, tmp_path)
    os.truncate(path, 0)
    assert "not a readable safetensors" in problem(name, tmp_path)


def test_files_of_other_models_are_told_by_their_tensors(tmp_path):
    shapes = inspection.own_tables(tmp_path)["hm3_reference"]()
    path = tmp_path / "hm3_reference" / "diffusion_pytorch_model.safetensors"
    (tmp_path / "hm3_reference").mkdir()
    (path.parent / "config.json").write_text("{}")
    first, *rest = shapes
    write_tensors(path, {name: shapes[name] for name in rest} | {"other": (3,)})
    line = problem("hm3_reference", tmp_path)
    assert f"1 tensors missing ({first!r})" in line
    assert "1 tensors unknown ('other')" in line
    write_tensors(path, shapes | {first: (*shapes[first][:-1], 7)})
    assert f"1 tensors of another shape ({first!r})" in problem("hm3_reference", tmp_path)
    sd = tmp_path / "stable-diffusion-v1-5" / "unet"
    write_tensors(sd / "diffusion_pytorch_model.safetensors", {"all": (859_520_963,)})
    (sd / "config.json").write_text("{}")
    assert "859,520,963 parameters, not 859,520,964" in problem("stable-diffusion-v1-5/unet", tmp_path)


def test_motion_modules_are_what_their_own_config_says(tmp_path):
    """Whether they have a middle block and how many positions they know cannot be told without the published file."""
    folder = tmp_path / "hm3_animatediff"
    with torch.device("meta"):
        adapter = MotionAdapter(use_motion_mid_block=False, motion_max_seq_length=24)
    adapter.save_config(folder)
    shapes = {name: tuple(value.shape) for name, value in adapter.state_dict().items()}
    write_tensors(folder / "diffusion_pytorch_model.safetensors", shapes)
    assert len(require(part_named("hm3_animatediff"), tmp_path)) == 2
    (folder / "config.json").write_text("{}")
    assert "tensors missing ('mid_block" in problem("hm3_animatediff", tmp_path)
    (folder / "config.json").write_text('{"block_out_channels": 3}')
    assert "config.json" in problem("hm3_animatediff", tmp_path)


def test_sizes_that_are_told_beforehand_are_those_of_the_networks():
    with torch.device("meta"):
        own = {
            "hm3_animatediff": MotionAdapter(),
            f"{BASE}/unet": UNet2DConditionModel(**REAL.unet()),
            f"{BASE}/vae": AutoencoderKL(**REAL.codec()),
        }
    for name, network in own.items():
        assert sum(value.numel() for value in network.state_dict().values()) == part_named(name).parameters


@pytest.mark.parametrize("file", INPUTS)
def test_face_models_are_told_by_their_inputs(file, tmp_path):
    name = f"{FACES}/{file}"
    (height, width), outputs = INPUTS[file]
    path = write_onnx(tmp_path / name, (height, width + 1), outputs)
    assert "belongs to another model" in problem(name, tmp_path)
    write_onnx(path, (height, width), outputs)
    assert require(part_named(name), tmp_path) == [path]
    path.write_bytes(path.read_bytes()[:-20])
    assert "not a readable ONNX file" in problem(name, tmp_path)


def test_a_damaged_configuration_is_named(tmp_path):
    write_part(tmp_path, part_named("pd_fgc_motion"))
    (tmp_path / "pd_fgc_motion" / "config.json").write_text('{"cut')
    line = problem("pd_fgc_motion", tmp_path)
    assert "config.json" in line
    assert "not readable JSON" in line


def test_a_record_tells_changed_files(tmp_path):
    part = part_named("stable-diffusion-v1-5/tokenizer")
    write_part(tmp_path, part)
    root = tmp_path / "stable-diffusion-v1-5"
    entry = {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    (root / RECORD).write_text(json.dumps({"commit": "c", "files": {"tokenizer/vocab.json": entry}}))
    states = inspect(part, tmp_path, hashed=True)
    assert [(state.status, state.sha256) for state in states] == [("found", entry["sha256"]), ("found", "")]
    (root / "tokenizer" / "vocab.json").write_text("[]")
    assert inspect(part, tmp_path)[0].status == "found"
    assert "its sha256 is" in inspect(part, tmp_path, hashed=True)[0].problem
    (root / "tokenizer" / "vocab.json").write_text("{")
    assert "is cut short: 2 bytes were fetched" in inspect(part, tmp_path)[0].problem
    (root / RECORD).write_text("nonsense")
    assert "is damaged" in inspect(part, tmp_path)[0].problem


def test_options_decide_what_is_needed():
    names = {part.name for part in needed("x1", "cntrl2")}
    assert "pd_fgc_motion" in names
    assert not {f"{FACES}/hello_arkit_blendshape.onnx", "IP-Adapter/models/image_encoder"} & names
    assert "realisticVisionV60B1_v51VAE/text_encoder" not in names
    other = {part.name for part in needed("x2", "cntrl1")}
    assert "stable-diffusion-v1-5/unet" not in other
    assert {"stable-diffusion-v1-5/text_encoder", "realisticVisionV60B1_v51VAE/tokenizer"} <= other
    assert needed() == list(PARTS)


def test_doctor_lists_every_file(bench, complete, tmp_path):
    whole = bench("doctor", "-m", f"hellomeme:weights={complete}")
    assert whole.code == 0
    listed = whole.out.partition("weights of method hellomeme")[2].partition("weights of method huny")[0]
    assert listed.count("found ") == 32
    assert "CreativeML OpenRAIL-M" in listed
    assert "licence not stated" in listed
    write_part(tmp_path, part_named("hm3_motion"))
    path = tmp_path / "hm3_motion" / "diffusion_pytorch_model.safetensors"
    os.truncate(path, path.stat().st_size - 1)
    partial = bench("doctor", "-m", f"hellomeme:weights={tmp_path}")
    assert partial.code == 2
    listed = partial.out.partition("weights of method hellomeme")[2].partition("weights of method huny")[0]
    assert listed.count("missing ") == 30
    assert re.search(rf"damaged +{re.escape(str(path))} ", listed)
    assert "is cut short: its header says" in listed
    assert "bench data fetch --weights hellomeme --to" in listed


@pytest.mark.parametrize(("numbers", "says"), [(417_700_800, ""), (453_813_440, ""), (417_000_000, "is cut short")])
def test_an_old_file_of_motion_modules_may_lack_the_middle_block(tmp_path, numbers, says):
    """Only the length of a torch file is judged; 16 bit without a middle block is the shortest whole one."""
    folder = tmp_path / "hm3_animatediff"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "diffusion_pytorch_model.bin").touch()
    os.truncate(folder / "diffusion_pytorch_model.bin", 2 * numbers)
    found = inspect(part_named("hm3_animatediff"), tmp_path)[1]
    assert found.status == ("damaged" if says else "found")
    assert says in found.problem
