"""What ``bench doctor`` says of published files: at their real sizes, with holes where the numbers would be."""

from __future__ import annotations

import json
import math
import os
import pickle
import re
import shutil
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch._subclasses import FakeTensorMode
from yoloface_crafted import Crafted

from portraitbench.core.weights import RECORD
from portraitbench.methods.hunyuanportrait import weights
from portraitbench.methods.hunyuanportrait.generator import HunyuanPortrait
from portraitbench.methods.hunyuanportrait.inspection import inspect, own_tables
from portraitbench.methods.hunyuanportrait.weights import FILES


def write_checkpoint(path, shapes):
    """A torch checkpoint of 16 bit; no number of it is written."""
    with FakeTensorMode(), torch.serialization.skip_data(materialize_fake_tensors=True):
        torch.save({name: torch.empty(shape, dtype=torch.float16) for name, shape in shapes.items()}, path)


def write_tensors(path, shapes):
    """The same as safetensors."""
    header, place = {}, 0
    for name, shape in shapes.items():
        end = place + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + place)


def write_onnx(path, side=112):
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, side, side]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [given], [made])
    onnx.save(helper.make_model(graph), str(path))


def write(file, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if file is weights.IDENTITY:
        write_onnx(path)
    elif file is weights.DETECTOR:
        torch.jit.script(Crafted()).save(str(path))
    else:
        (write_tensors if file is weights.CODEC else write_checkpoint)(path, own_tables()[file])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    for file in FILES:
        write(file, root / file.name)
    return root


def test_whole_files_are_found(folder):
    files = HunyuanPortrait.weight_files({"weights": str(folder)})
    assert [(file.status, file.problem) for file in files] == [("found", "")] * len(FILES)
    assert files[0].size > 3_150_000_000  # the denoiser in 16 bit


class Runs:
    """What unpickling would run."""

    def __reduce__(self):
        return (os.getcwd, ())


def cut(path):
    os.truncate(path, path.stat().st_size - 50)


def page(path):
    path.write_text("<!DOCTYPE html><html></html>")


def code(path):
    path.write_bytes(pickle.dumps({"weight": Runs()}, protocol=2))


def changed(change):
    def harm(path):
        shapes = dict(own_tables()[next(file for file in FILES if path.name == Path(file.name).name)])
        change(shapes)
        (write_tensors if path.suffix == ".safetensors" else write_checkpoint)(path, shapes)

    return harm


def renamed(shapes):
    shapes["other"] = shapes.pop(next(iter(shapes)))


def resized(shapes):
    name = next(iter(shapes))
    shapes[name] = (*shapes[name], 2)


HARMS = [
    (weights.UNET, cut, "not a whole torch checkpoint"),
    (weights.UNET, changed(renamed), "1 tensors missing .*1 tensors unknown"),
    (weights.HEAD_POSE, page, "not a whole torch checkpoint"),
    (weights.PROJECTION, code, "not a whole torch checkpoint"),
    (weights.PROJECTION, changed(resized), "1 tensors of another shape"),
    (weights.EXPRESSION, lambda path: write_checkpoint(path, own_tables()[weights.POSE]), "belongs to another model"),
    (weights.CODEC, cut, "is cut short"),
    (weights.CODEC, changed(resized), "1 tensors of another shape"),
    (weights.IDENTITY, cut, "not a readable ONNX file"),
    (weights.IDENTITY, lambda path: write_onnx(path, 128), "belongs to another model"),
    (weights.DETECTOR, page, "not a whole TorchScript file"),
    (weights.DETECTOR, lambda path: write_checkpoint(path, {"a": (2,)}), "no TorchScript file"),
]


@pytest.mark.parametrize(("file", "harm", "message"), HARMS)
def test_a_wrong_file_is_one_line_that_says_what_and_how_to_mend_it(tmp_path, file, harm, message):
    path = tmp_path / file.name
    write(file, path)
    assert inspect(file, tmp_path).status == "found"
    harm(path)
    found = inspect(file, tmp_path)
    assert found.status == "damaged"
    assert len(found.problem.splitlines()) == 1
    assert found.problem.startswith(f"method hunyuanportrait: {path} (")
    assert "bench data fetch --weights hunyuanportrait" in found.problem
    assert re.search(message, found.problem)


def test_a_fetched_file_of_another_length_has_changed(tmp_path):
    file = weights.PROJECTION
    write(file, tmp_path / file.name)
    size = (tmp_path / file.name).stat().st_size
    for told, status in ((size, "found"), (size + 1, "damaged")):
        (tmp_path / RECORD).write_text(json.dumps({"files": {file.name: {"bytes": told}}}))
        assert inspect(file, tmp_path).status == status


def test_doctor_judges_content(tmp_path, bench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    for file in (weights.POSE, weights.PROJECTION):
        write(file, tmp_path / file.name)
    pose = tmp_path / weights.POSE.name
    shutil.copy(tmp_path / weights.PROJECTION.name, pose)
    told = bench("doctor", "-m", f"hunyuanportrait:weights={tmp_path}").out
    assert f"method hunyuanportrait: {pose} (" in told
    assert told.count("belongs to another model") == 1
