from __future__ import annotations

import hashlib

import pytest
import torch

from portraitbench.faces import mediapipe_model
from portraitbench.faces.weights import describe_weights


@pytest.fixture(autouse=True)
def _empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(mediapipe_model, "default_folder", lambda: tmp_path / "fetched")
    monkeypatch.setattr(mediapipe_model, "CARRIERS", {})


def test_all_files_are_listed_with_the_way_to_get_them(tmp_path):
    entries = {entry.name: entry for entry in describe_weights()}
    assert set(entries) == {
        "det_10g.onnx",
        "w600k_r50.onnx",
        "s3fd-619a316812.pth",
        "2DFAN4-11f355bf06.pth.tar",
        "face_landmarker.task",
        "emonet_8.pth",
    }
    assert {entry.status for entry in entries.values()} == {"missing"}
    assert entries["det_10g.onnx"].path == tmp_path / "home/.insightface/models/buffalo_l/det_10g.onnx"
    assert entries["w600k_r50.onnx"].expected_size == 174_383_860
    assert entries["s3fd-619a316812.pth"].path == tmp_path / "hub/checkpoints/s3fd-619a316812.pth"
    assert entries["s3fd-619a316812.pth"].how.endswith("or give another folder as option weights")
    assert entries["emonet_8.pth"].path is None
    ways = ("github.com", "https://", "bench data fetch --weights mediapipe")
    assert all(any(way in entry.how for way in ways) for entry in entries.values())


def test_found_files_are_measured(tmp_path):
    for name in ("det_10g.onnx", "emonet_5.pth"):
        (tmp_path / name).write_bytes(b"abc")
    folder = {"pack": str(tmp_path)}, {"weights": str(tmp_path)}
    entries = {entry.name: entry for entry in describe_weights({"insightface": folder[0], "emonet": folder[1]})}
    assert entries["det_10g.onnx"].status == "wrong size"
    assert entries["emonet_5.pth"].status == "found"
    assert entries["emonet_5.pth"].sha256 == hashlib.sha256(b"abc").hexdigest()
    assert entries["emonet_5.pth"].size == 3
