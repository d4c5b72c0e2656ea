from __future__ import annotations

import hashlib
import io
import os
import re
from email.message import Message
from pathlib import Path
from urllib.error import URLError
from urllib.request import HTTPSHandler
from urllib.response import addinfourl

import numpy as np
import pytest
from pydantic import ValidationError

from portraitbench.core.errors import AssetError
from portraitbench.datasets.assets import AssetStore
from portraitbench.datasets.check import check_suite
from portraitbench.datasets.fetch import fetch_assets
from portraitbench.datasets.manifest import Suite
from portraitbench.datasets.media import write_image

BODY = {"a": b"picture a" * 1000, "b": b"picture b" * 3}


def _suite(**changes):
    """A suite of two assets; ``changes`` go to asset a."""
    assets = {
        name: {
            "path": f"media/{name}.PNG",
            "url": f"https://example.org/{name}.png",
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "media": "image",
            "licence": "CC0-1.0",
            "provenance": "made up",
        }
        for name, body in BODY.items()
    }
    assets["a"].update(changes)
    windows = {"identities": [{"id": "i", "asset": "a"}], "drivings": [{"id": "d", "asset": "b"}]}
    return Suite.model_validate(
        {"schema": 1, "name": "mine", "title": "m", "kind": "cross-image", "assets": assets, **windows}
    )


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "suite"
    (folder / "media").mkdir(parents=True)
    return folder


@pytest.fixture
def store(tmp_path):
    return AssetStore(tmp_path / "cache")


class Server:
    """Stands in for the network below urllib's own handlers, so that redirects and errors take their real way."""

    def __init__(self):
        self.pages = {f"https://example.org/{name}.png": (200, {}, body) for name, body in BODY.items()}
        self.asked = []

    def open(self, _handler, request):
        self.asked.append(request.full_url)
        page = self.pages.get(request.full_url, (404, {}, b"gone"))
        if isinstance(page, Exception):
            raise page
        code, headers, body = page
        message = Message()
        for name, value in headers.items():
            message[name] = value
        response = addinfourl(body if hasattr(body, "read") else io.BytesIO(body), message, request.full_url, code)
        response.msg = "Not Found" if code == 404 else "OK"
        return response


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(HTTPSHandler, "https_open", lambda handler, request: server.open(handler, request))
    return server


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file()) if root.exists() else []


def test_the_file_beside_the_manifest_comes_before_the_cache(store, folder):
    suite = _suite()
    assert store.locate(suite, "a", folder) is None
    with pytest.raises(AssetError, match=r"asset a: media/a\.PNG is neither .* run 'bench data fetch mine'"):
        store.require(suite, "a", folder)
    cached = store.cached_path(suite.assets["a"])
    digest = hashlib.sha256(BODY["a"]).hexdigest()
    assert cached == store.cache / "assets" / digest[:2] / f"{digest}.png"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(BODY["a"])
    assert store.require(suite, "a", folder) == cached
    beside = folder / "media" / "a.PNG"
    beside.write_bytes(BODY["a"])
    assert store.require(suite, "a", folder) == beside


def test_changed_files_are_told_by_size_and_by_hash(store, folder):
    suite = _suite()
    path = folder / "media" / "a.PNG"
    path.write_bytes(BODY["a"] + b"!")
    with pytest.raises(AssetError, match="has changed: it has 9001 bytes, the manifest says 9000"):
        store.require(suite, "a", folder)
    path.write_bytes(b"X" + BODY["a"][1:])
    with pytest.raises(AssetError, match=r"asset a: file .*a\.PNG has changed: sha256 is [0-9a-f]{64}, the manifest"):
        store.require(suite, "a", folder)
    path.write_bytes(BODY["a"])
    store.require(suite, "a", folder)


def test_a_file_is_hashed_once_and_again_after_a_change(store, folder, monkeypatch):
    suite, path = _suite(), folder / "media" / "a.PNG"
    path.write_bytes(BODY["a"])
    hashed = []
    monkeypatch.setattr(
        "portraitbench.datasets.assets.file_sha256",
        lambda path: hashed.append(path) or hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    for _ in range(3):
        store.require(suite, "a", folder)
    assert len(hashed) == 1
    path.write_bytes(b"X" + BODY["a"][1:])
    os.utime(path, ns=(1, 1))
    with pytest.raises(AssetError, match="has changed"):
        store.require(suite, "a", folder)
    assert len(hashed) == 2


def test_links_out_of_the_folder_are_refused(store, folder, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(BODY["a"])
    (folder / "media" / "a.PNG").symlink_to(secret)
    with pytest.raises(AssetError, match="leaves its folder"):
        store.locate(_suite(), "a", folder)
    report = fetch_assets(store, _suite(), folder, ["a"], source=folder)
    assert "leaves its folder" in report.failed["a"]
    assert "leaves its folder" in check_suite(store, _suite(), folder).changed["a"]


def test_download_lands_whole_and_is_not_repeated(store, folder, server):
    suite, told = _suite(), []
    report = fetch_assets(store, suite, folder, progress=lambda *args: told.append(args))
    assert (report.fetched, report.present, report.failed) == (["a", "b"], [], {})
    assert [store.require(suite, name, folder).read_bytes() for name in "ab"] == list(BODY.values())
    assert ("a", 9000, 9000) in told
    again = fetch_assets(store, suite, folder)
    assert (again.fetched, again.present) == ([], ["a", "b"])
    assert server.asked == ["https://example.org/a.png", "https://example.org/b.png"]
    assert len(_files(store.cache)) == 2


def test_a_broken_cache_entry_is_replaced(store, folder, server):
    suite = _suite()
    cached = store.cached_path(suite.assets["a"])
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half")
    assert fetch_assets(store, suite, folder, ["a"]).fetched == ["a"]
    assert cached.read_bytes() == BODY["a"]


def test_a_changed_file_of_the_user_is_reported_and_kept(store, folder, server):
    (folder / "media" / "a.PNG").write_bytes(b"mine")
    report = fetch_assets(store, _suite(), folder, ["a"])
    assert "has changed" in report.failed["a"]
    assert (folder / "media" / "a.PNG").read_bytes() == b"mine"
    assert server.asked == []


class Endless:
    """A server that never stops sending."""

    sent = 0
    closed = False

    def read(self, size=-1):
        assert size > 0
        self.sent += size
        assert self.sent < 10**6, "the size limit was not kept"
        return b"x" * size

    def close(self):
        pass


ANSWERS = {
    "not found": ((404, {}, b""), "the server answers 404 Not Found"),
    "wrong content": ((200, {}, b"X" + BODY["a"][1:]), "sha256 is "),
    "cut": ((200, {}, BODY["a"][:100]), "sent 100 bytes, the manifest says 9000"),
    "one more": ((200, {}, BODY["a"] + b"!"), "sent more bytes"),
    "endless": ((200, {}, Endless()), "sent more bytes"),
    "offline": (URLError("Name or service not known"), "cannot be reached .*Name or service not known"),
    "slow": (TimeoutError("timed out"), "cannot be reached .*timed out"),
    "reset": (ConnectionResetError("reset by peer"), "cannot be reached .*reset by peer"),
    "to http": ((302, {"Location": "http://example.org/a.png"}, b""), "redirects to http://.* not https"),
    "to a file": ((302, {"Location": "file:///etc/passwd"}, b""), "not https|not allowed"),
    "to ftp": ((301, {"Location": "ftp://example.org/a.png"}, b""), "not https"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_failed_download_leaves_nothing_and_stops_nothing(store, folder, server, answer):
    server.pages["https://example.org/a.png"], expected = ANSWERS[answer]
    report = fetch_assets(store, _suite(), folder)
    assert report.fetched == ["b"]
    assert list(report.failed) == ["a"]
    message = report.failed["a"]
    assert message.startswith("asset a: https://example.org/a.png")
    assert "\n" not in message
    assert re.search(expected, message)
    assert [path.name for path in _files(store.cache)] == [store.cached_path(_suite().assets["b"]).name]


ADDRESSES = {
    "https://example.org:99999/a": "Port out of range",
    "https://[::1/a": "Invalid IPv6",
    "https:///a.png": "names no host",
    "https://user:secret@example.org/a": "user name or password",
    "https://example.org/a b": "spaces",
    "https://example.org/ü": "non-ASCII",
    "https://example.org/a\r\nHost: x": "spaces, control|Invalid|no web address",
    "file:///etc/passwd": "must start with https",
    "HTTPS//x": "must start with https",
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_addresses_that_are_none_are_refused_by_the_manifest_and_in_redirects(store, folder, server, url):
    with pytest.raises(ValidationError, match=ADDRESSES[url]):
        _suite(url=url)
    server.pages["https://example.org/a.png"] = (302, {"Location": url.replace("\r\n", "")}, b"")
    report = fetch_assets(store, _suite(), folder, ["a"])
    assert list(report.failed) == ["a"]
    assert "\n" not in report.failed["a"]
    assert all(asked.startswith("https://example.org/") for asked in server.asked)


def test_redirects_within_https_are_followed(store, folder, server):
    server.pages["https://example.org/a.png"] = (302, {"Location": "https://cdn.example.org/x"}, b"")
    server.pages["https://cdn.example.org/x"] = (200, {}, BODY["a"])
    assert fetch_assets(store, _suite(), folder, ["a"]).fetched == ["a"]


def test_an_asset_without_url_says_where_to_put_it(store, folder, server):
    report = fetch_assets(store, _suite(url=None), folder, ["a"])
    assert "gives no url: put media/a.PNG beside the manifest" in report.failed["a"]


def test_fetch_from_a_folder_by_path_then_by_name(store, folder, tmp_path, server):
    source = tmp_path / "download"
    (source / "media").mkdir(parents=True)
    (source / "deep" / "er").mkdir(parents=True)
    (source / "media" / "a.PNG").write_bytes(BODY["a"])
    (source / "deep" / "b.PNG").write_bytes(b"another file of that name")
    report = fetch_assets(store, _suite(), folder, source=source)
    assert report.fetched == ["a"]
    assert f"media/b.PNG is not below {source}" in report.failed["b"]
    (source / "deep" / "er" / "b.PNG").write_bytes(BODY["b"])
    assert fetch_assets(store, _suite(), folder, source=source).fetched == ["b"]
    assert server.asked == []


def test_fetch_refuses_unknown_ids_and_folders(store, folder, tmp_path):
    with pytest.raises(AssetError, match="no asset called 'z'"):
        fetch_assets(store, _suite(), folder, ["z"])
    with pytest.raises(AssetError, match="does not exist"):
        fetch_assets(store, _suite(), folder, source=tmp_path / "gone")


def test_check_finds_everything_at_once(store, folder):
    write_image(folder / "media" / "real.png", np.zeros((32, 48, 3), np.uint8))
    real = (folder / "media" / "real.png").read_bytes()
    suite = _suite(sha256=hashlib.sha256(real).hexdigest(), bytes=len(real))
    (folder / "media" / "a.PNG").write_bytes(real)
    (folder / "media" / "b.PNG").write_bytes(b"not b")
    result = check_suite(store, suite, folder)
    assert (result.cases, result.driving_frames, result.bytes) == (1, 1, len(real) + 27)
    assert (result.missing, list(result.changed), result.unusable, result.ok) == ([], ["b"], {}, False)
    (folder / "media" / "b.PNG").unlink()
    assert check_suite(store, suite, folder).missing == ["b"]
    (folder / "media" / "b.PNG").write_bytes(BODY["b"])
    assert check_suite(store, suite, folder).ok
    deep = check_suite(store, suite, folder, deep=True)
    assert list(deep.unusable) == ["b"]
    assert "\n" not in deep.unusable["b"]


@pytest.mark.parametrize(
    ("window", "media", "expected"),
    [
        ({"crop": {"x": 0, "y": 0, "side": 32}}, "image", None),
        ({"crop": {"x": 17, "y": 0, "side": 32}}, "image", r"crop of 32 pixels at \(17, 0\) leaves .* 48 x 32"),
        ({"start": 1}, "image", "frames 1 to 1 are used, and it has 1"),
        ({}, "video", "is image, the manifest says video"),
    ],
)
def test_a_deep_check_fits_windows_into_files(store, folder, window, media, expected):
    write_image(folder / "media" / "a.PNG", np.zeros((32, 48, 3), np.uint8))
    body = (folder / "media" / "a.PNG").read_bytes()
    plain = _suite(sha256=hashlib.sha256(body).hexdigest(), bytes=len(body), media=media).model_dump(by_alias=True)
    plain["identities"][0].update(window)
    plain["drivings"][0]["asset"] = "a"
    result = check_suite(store, Suite.model_validate(plain), folder, deep=True)
    if expected is None:
        assert result.unusable == {}
    else:
        assert re.search(expected, result.unusable["a"])
