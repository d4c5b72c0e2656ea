from __future__ import annotations

import hashlib

import pytest
import torch

from portraitbench.faces import BACKENDS


@pytest.fixture(autouse=True)
def _empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))


def files(name, **options):
    return {file.name.rpartition("/")[2]: file for file in BACKENDS.get(name).weight_files(options)}


def test_all_files_are_listed_with_the_way_to_get_them(tmp_path):
    found = files("insightface") | files("face-alignment") | files("emonet")
    assert set(found) == {
        "det_10g.onnx",
        "w600k_r50.onnx",
        "s3fd-619a316812.pth",
        "2DFAN4-11f355bf06.pth.tar",
        "emonet_8.pth",
    }
    assert {file.status for file in found.values()} == {"missing"}
    assert found["det_10g.onnx"].name == str(tmp_path / "home/.insightface/models/buffalo_l/det_10g.onnx")
    assert found["w600k_r50.onnx"].expected_size == 174_383_860
    assert found["s3fd-619a316812.pth"].name == str(tmp_path / "hub/checkpoints/s3fd-619a316812.pth")
    assert found["s3fd-619a316812.pth"].how.endswith("or give another folder as option weights")
    assert all(file.path is None and file.licence and file.source.startswith("https://") for file in found.values())
    assert not files("pocket"), "what the package brings is no file for the user to fetch"


def test_found_files_are_measured(tmp_path):
    for name in ("det_10g.onnx", "emonet_5.pth"):
        (tmp_path / name).write_bytes(b"abc")
    found = files("insightface", pack=str(tmp_path)) | files("emonet", weights=str(tmp_path))
    assert found["det_10g.onnx"].status == "damaged", "its size is not the publisher's"
    assert found["emonet_5.pth"].status == "found"
    assert found["emonet_5.pth"].sha256 == hashlib.sha256(b"abc").hexdigest()
    assert found["emonet_5.pth"].size == 3
