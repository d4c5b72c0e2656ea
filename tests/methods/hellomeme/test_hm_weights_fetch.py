"""Fetching from a hub that stands in for the network, below urllib's own handlers."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from email.message import Message
from urllib.error import URLError
from urllib.request import HTTPSHandler
from urllib.response import addinfourl

import pytest

from portraitbench.core import digest, hub
from portraitbench.core.digest import file_sha256
from portraitbench.core.hub import fetch_parts
from portraitbench.core.weights import RECORD
from portraitbench.methods.hellomeme.options import HelloMemeOptions
from portraitbench.methods.hellomeme.published import Parts
from portraitbench.methods.hellomeme.weights import BASE, PARTS, needed, part_folder, part_named

MOTION = "hm3_motion"
ROOT = "https://huggingface.co"


class Hub:
    """Answers as the hub does: a list of files with sizes and digests, and the files."""

    def __init__(self):
        self.pages, self.asked = {}, []

    def add(self, repository, files, commit="c0ffee"):
        siblings = []
        for path, body in files.items():
            large = path.endswith((".safetensors", ".onnx"))
            blob = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
            entry = {"rfilename": path, "size": len(body), "blobId": blob}
            if large:
                entry["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 130}
            siblings.append(entry)
            self.pages[f"{ROOT}/songkey/{repository}/resolve/{commit}/{path}"] = body
        listing = json.dumps({"sha": commit, "siblings": siblings}).encode()
        self.pages[f"{ROOT}/api/models/songkey/{repository}/revision/main?blobs=true"] = listing

    def open(self, request):
        self.asked.append(request.full_url)
        page = self.pages.get(request.full_url, 404)
        if isinstance(page, Exception):
            raise page
        code, body = (page, b"") if isinstance(page, int) else (200, page)
        response = addinfourl(io.BytesIO(body), Message(), request.full_url, code)
        response.msg = "Not Found" if code == 404 else "OK"
        return response


@pytest.fixture
def server(monkeypatch):
    server = Hub()
    server.add(MOTION, {"config.json": b"{}", "diffusion_pytorch_model.safetensors": b"weights" * 9, "README.md": b"x"})
    monkeypatch.setattr(HTTPSHandler, "https_open", lambda handler, request: server.open(request))
    return server


WEIGHTS = f"{ROOT}/songkey/{MOTION}/resolve/c0ffee/diffusion_pytorch_model.safetensors"


def test_parts_come_whole_with_a_record_and_are_not_fetched_again(server, tmp_path):
    told = []
    report = fetch_parts([part_named(MOTION)], tmp_path, lambda *facts: told.append(facts))
    assert report.failed == {}
    assert report.fetched == [f"{MOTION}/config.json", f"{MOTION}/diffusion_pytorch_model.safetensors"]
    folder = part_folder(part_named(MOTION), tmp_path)
    assert (folder / "diffusion_pytorch_model.safetensors").read_bytes() == b"weights" * 9
    record = json.loads((folder / RECORD).read_text())
    path = folder / "diffusion_pytorch_model.safetensors"
    expected = {"bytes": 63, "sha256": hashlib.sha256(b"weights" * 9).hexdigest(), "modified": path.stat().st_mtime_ns}
    assert record["files"][path.name] == expected
    assert not (folder / "README.md").exists()
    assert (f"{MOTION}/diffusion_pytorch_model.safetensors", 63, 63) in told
    asked = len(server.asked)
    again = fetch_parts([part_named(MOTION)], tmp_path)
    assert (again.fetched, len(again.present)) == ([], 2)
    assert len(server.asked) == asked + 1  # the list alone


def test_a_broken_file_is_replaced(server, tmp_path):
    fetch_parts([part_named(MOTION)], tmp_path)
    path = tmp_path / MOTION / "diffusion_pytorch_model.safetensors"
    path.write_bytes(b"weights" * 8 + b"wrong!!")
    assert fetch_parts([part_named(MOTION)], tmp_path).fetched == [f"{MOTION}/{path.name}"]
    assert path.read_bytes() == b"weights" * 9


BAD = {
    "cut": (b"weights", "sent 7 bytes, the hub's list says 63"),
    "longer": (b"weights" * 10, "sent more bytes"),
    "other content": (b"WEIGHTS" * 9, "sha256 is .*, the hub's list says"),
    "gone": (404, "answers 404"),
    "offline": (URLError("no route"), "cannot be reached .*no route"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_failed_file_leaves_nothing_and_stops_nothing(server, tmp_path, kind):
    server.pages[WEIGHTS], expected = BAD[kind]
    report = fetch_parts([part_named(MOTION)], tmp_path)
    assert report.fetched == [f"{MOTION}/config.json"]
    (line,) = report.failed.values()
    assert "\n" not in line
    assert re.search(expected, line)
    assert sorted(path.name for path in (tmp_path / MOTION).iterdir()) == ["config.json", RECORD]


def test_small_files_are_checked_by_gits_digest(server, tmp_path):
    server.pages[f"{ROOT}/songkey/{MOTION}/resolve/c0ffee/config.json"] = b"[]"
    report = fetch_parts([part_named(MOTION)], tmp_path)
    assert "another content than the hub lists" in report.failed[f"{MOTION}/config.json"]
    assert not (tmp_path / MOTION / "config.json").exists()


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"sha": "c"}', b'{"sha":"c","siblings":[{"rfilename":"../x"}]}']
)
def test_an_answer_that_is_no_list_is_one_line(server, tmp_path, answer):
    server.pages[f"{ROOT}/api/models/songkey/{MOTION}/revision/main?blobs=true"] = answer
    report = fetch_parts([part_named(MOTION)], tmp_path)
    assert "is no list of files" in report.failed[MOTION]


def test_files_from_the_hub_are_found_in_its_cache(server, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    fetch_parts([part_named(MOTION)], None)
    from huggingface_hub import snapshot_download

    found = snapshot_download(f"songkey/{MOTION}", local_files_only=True, cache_dir=tmp_path)
    assert sorted(path.name for path in (tmp_path / f"models--songkey--{MOTION}").iterdir()) == ["refs", "snapshots"]
    assert found.endswith("snapshots/c0ffee")


@pytest.fixture
def full_server(server):
    """Has every file of every part."""
    for repository in {part.repository for part in PARTS}:
        files = {}
        for part in PARTS:
            if part.repository == repository:
                names = part.files or ("config.json", "model.safetensors")
                files |= {f"{part.below}/{name}".lstrip("/"): f"{part.name} {name}".encode() for name in names}
        server.add(repository, files)
    return server


@pytest.mark.parametrize("to_cache", [True, False], ids=["cache", "folder"])
def test_no_process_reads_fetched_weights_for_their_digests(full_server, tmp_path, monkeypatch, to_cache):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert fetch_parts(PARTS, None if to_cache else tmp_path).failed == {}
    monkeypatch.setattr(digest, "file_sha256", lambda path: read.append(path.name) or file_sha256(path))
    options = HelloMemeOptions(weights=None if to_cache else str(tmp_path))

    def digests():
        digest._sha256_of.cache_clear()  # as in a new process
        return Parts(options, "cpu").weights_digests

    read: list[str] = []
    found = digests()
    assert read == []
    unet = Parts(options, "cpu").find(f"{BASE}/unet") / "model.safetensors"
    assert found[f"{BASE}/unet: {unet.name}"] == file_sha256(unet)
    assert len(found) == len(needed("x1", "cntrl2")) + 1  # the tokenizer has two files
    unet.write_bytes(unet.read_bytes()[::-1])
    os.utime(unet, ns=(1, 1))
    changed = digests()
    assert read == [unet.name]
    assert {name for name in found if found[name] != changed[name]} == {f"{BASE}/unet: {unet.name}"}


def test_the_command_fetches_all_parts(bench, full_server, tmp_path):
    server = full_server
    done = bench("data", "fetch", "--weights", "hellomeme", "--to", tmp_path / "w")
    assert done.code == 0, done.out
    assert "weights of hellomeme: 32 fetched, 0 were there, 0 failed" in done.out
    assert (tmp_path / "w" / "hello_group_facemodel" / "hello_3dmm.onnx").is_file()
    server.pages[f"{ROOT}/api/models/songkey/ESRGAN/revision/main?blobs=true"] = 404
    del server.pages[f"{ROOT}/api/models/songkey/{MOTION}/revision/main?blobs=true"]
    failed = bench("data", "fetch", "--weights", "hellomeme", "--to", tmp_path / "w")
    assert failed.code == 2
    assert "answers 404" in failed.out


@pytest.mark.parametrize(
    "arguments",
    [[], ["pocket-image", "--weights", "hellomeme"], ["--weights", "other"], ["--weights", "hellomeme", "--from", "."],
     ["pocket-image", "--to", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_combinations_that_mean_nothing_are_refused(bench, arguments):
    done = bench("data", "fetch", *arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_the_addresses_are_https():
    assert hub.HUB.startswith("https://")
