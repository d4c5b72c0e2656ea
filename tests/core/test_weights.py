from __future__ import annotations

import hashlib
import json
import os

import pytest
import torch
from safetensors.torch import save_file

from portraitbench.core.errors import WeightsError
from portraitbench.core.weights import RECORD, content_digest, file_on_disk, known_digest, tensor_shapes


@pytest.fixture
def tensors(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(5)}, path, {"format": "pt"})
    return path


def on_disk(path, **facts):
    return file_on_disk(path, name="w.bin", source="https://x/w.bin", licence="free", how="take it", **facts)


def test_shapes_come_from_the_header_alone(tensors):
    assert tensor_shapes(tensors) == {"a": (2, 3), "b": (5,)}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-1], "is cut short"),
        (lambda data: data + b"0", "is too long"),
        (lambda data: data[:20], "is not a readable safetensors file"),
        (lambda _: b"<!DOCTYPE html><title>404</title>", "is not a readable safetensors file"),
        (lambda _: (200_000).to_bytes(8, "little") + b"[" * 200_000, "is not a readable safetensors file"),
        (lambda data: (1 << 40).to_bytes(8, "little") + data[8:], "is not a readable safetensors file"),
    ],
    ids=["short", "long", "header", "page", "nested header", "huge header"],
)
def test_damaged_files_are_told_without_reading_them_whole(tensors, damage, words):
    tensors.write_bytes(damage(tensors.read_bytes()))
    with pytest.raises(WeightsError, match=words):
        tensor_shapes(tensors)


def test_a_file_is_missing_found_or_of_the_wrong_size(tmp_path):
    path = tmp_path / "w.bin"
    assert (on_disk(None).status, on_disk(path).status) == ("missing", "missing")
    path.write_bytes(b"abc")
    found = on_disk(path, size=3)
    assert (found.status, found.size, found.sha256) == ("found", 3, hashlib.sha256(b"abc").hexdigest())
    assert on_disk(path, size=4).status == "damaged"


def test_the_hubs_cache_names_large_files_by_their_digest(tmp_path):
    blob = tmp_path / "blobs" / ("e" * 64)
    blob.parent.mkdir()
    blob.write_bytes(b"gigabytes")
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert content_digest(link) == "e" * 64, "its content was not read"
    assert content_digest(blob.parent / blob.name) == "e" * 64
    with pytest.raises(WeightsError, match="has changed: its sha256"):
        known_digest(link, tmp_path, link.name, hashed=True)


def test_what_a_fetch_recorded_is_compared(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"abc")
    assert known_digest(path, tmp_path, "w.bin") == "", "nothing is known"
    entry = {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    (tmp_path / RECORD).write_text(json.dumps({"files": {"w.bin": entry}}))
    assert known_digest(path, tmp_path, "w.bin", hashed=True) == entry["sha256"]
    path.write_bytes(b"ab")
    with pytest.raises(WeightsError, match="is cut short: 3 bytes were fetched"):
        known_digest(path, tmp_path, "w.bin")
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(WeightsError, match="is damaged"):
        known_digest(path, tmp_path, "w.bin")


@pytest.mark.parametrize("how", ["same", "size", "time", "record without a time", "damaged record", "no record"])
def test_a_recorded_digest_counts_while_the_file_is_as_it_was_fetched(tmp_path, how):
    path = tmp_path / "unet" / "w.bin"
    path.parent.mkdir()
    path.write_bytes(b"abc")
    entry = {"bytes": 3, "sha256": "f" * 64, "modified": path.stat().st_mtime_ns}
    if how == "size":
        entry["bytes"] = 4
    elif how == "time":
        os.utime(path, ns=(1, 1))
    elif how == "record without a time":
        del entry["modified"]
    text = "{" if how == "damaged record" else json.dumps({"files": {"unet/w.bin": entry}})
    if how != "no record":
        (tmp_path / RECORD).write_text(text)
    real = hashlib.sha256(b"abc").hexdigest()
    assert content_digest(path) == ("f" * 64 if how == "same" else real)
    if how in ("same", "time", "record without a time"):
        assert known_digest(path, tmp_path, "unet/w.bin") == ("" if how == "time" else "f" * 64)
