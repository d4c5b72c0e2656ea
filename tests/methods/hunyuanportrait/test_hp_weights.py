"""Fetching from a hub that stands in for the network, below urllib's own handlers."""

from __future__ import annotations

import hashlib
import io
import json
from email.message import Message
from urllib.request import HTTPSHandler
from urllib.response import addinfourl

import pytest

from portraitbench.core import digest
from portraitbench.core.errors import ConfigError
from portraitbench.methods.hunyuanportrait.generator import HunyuanPortrait
from portraitbench.methods.hunyuanportrait.options import HunyuanPortraitOptions
from portraitbench.methods.hunyuanportrait.published import Parts
from portraitbench.methods.hunyuanportrait.weights import FILES

ROOT = "https://huggingface.co"


def content(file):
    return file.name.encode() * 3


@pytest.fixture
def pages(monkeypatch):
    """What the hub answers by address: every file at the top of its repository, the video model's in its folder."""
    pages, listed = {}, {}
    for file in FILES:
        path = file.name if file.name.startswith("vae/") else file.name.rpartition("/")[2]
        publisher, repository = file.repository
        lfs = {"sha256": hashlib.sha256(content(file)).hexdigest(), "size": len(content(file)), "pointerSize": 130}
        listed.setdefault(f"{publisher}/{repository}", []).append({"rfilename": path, "size": 1, "lfs": lfs})
        pages[f"{ROOT}/{publisher}/{repository}/resolve/abc/{path}"] = content(file)
    for name, siblings in listed.items():
        listing = json.dumps({"sha": "abc", "siblings": siblings}).encode()
        pages[f"{ROOT}/api/models/{name}/revision/main?blobs=true"] = listing

    def answer(handler, request):
        page = pages.get(request.full_url)
        response = addinfourl(io.BytesIO(page or b""), Message(), request.full_url, 200 if page else 401)
        response.msg = "OK" if page else "Unauthorized"
        return response

    monkeypatch.setattr(HTTPSHandler, "https_open", answer)
    return pages


def test_all_files_come_from_four_repositories_into_one_folder(pages, tmp_path):
    report = HunyuanPortrait.fetch_weights(tmp_path)
    assert (report.failed, len(report.fetched)) == ({}, len(FILES))
    assert len({file.repository for file in FILES}) == 4
    assert all((tmp_path / file.name).read_bytes() == content(file) for file in FILES)
    assert all(file.path is not None for file in HunyuanPortrait.weight_files({"weights": str(tmp_path)}))
    again = HunyuanPortrait.fetch_weights(tmp_path)
    assert (again.fetched, len(again.present)) == ([], len(FILES))


def test_no_process_reads_fetched_weights_for_their_digests(pages, tmp_path, monkeypatch):
    HunyuanPortrait.fetch_weights(tmp_path)
    monkeypatch.setattr(digest, "file_sha256", lambda path: pytest.fail(f"read {path}"))
    found = Parts(HunyuanPortraitOptions(weights=str(tmp_path)), "cpu").weights_digests
    assert found == {file.name: hashlib.sha256(content(file)).hexdigest() for file in FILES}


def test_a_gated_repository_is_told_with_its_page_and_stops_no_other(pages, tmp_path):
    video = next(file for file in FILES if file.name.startswith("vae/"))
    del pages[f"{ROOT}/api/models/{'/'.join(video.repository)}/revision/main?blobs=true"]
    report = HunyuanPortrait.fetch_weights(tmp_path)
    assert list(report.failed) == [video.name]
    assert "answers 401" in report.failed[video.name]
    assert f"take it from {video.url}" in report.failed[video.name]
    assert len(report.fetched) == len(FILES) - 1


def test_a_folder_is_asked_for(bench):
    with pytest.raises(ConfigError, match="--to DIR"):
        HunyuanPortrait.fetch_weights(None)
    told = bench("data", "fetch", "--weights", "hunyuanportrait")
    assert told.code == 2
    assert "say where to, with --to DIR" in told.err
