"""Manifests that are malformed, unsafe or wrong: refused in one line that names the file and the field."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

Data = dict[str, Any]


def first_asset(**fields: object):
    return lambda data: data["assets"]["i0"].update(fields)


EDITS = [
    ("path that climbs", first_asset(path="../../etc/passwd"), r"assets\.i0\.path: .*inside"),
    ("absolute path", first_asset(path="/etc/passwd"), r"assets\.i0\.path: .*inside"),
    (
        "path from the home folder",
        first_asset(path="~/x.png"),
        r"assets\.i0\.path: .*inside.* \(folders elsewhere: roots\)",
    ),
    ("path of another system", first_asset(path="C:\\Windows\\x.png"), r"assets\.i0\.path"),
    ("climbing path of another system", first_asset(path="..\\x.png"), r"assets\.i0\.path"),
    ("path with a NUL", first_asset(path="a\0.png"), r"assets\.i0\.path"),
    ("empty path", first_asset(path=""), r"assets\.i0\.path"),
    ("file URL", first_asset(url="file:///etc/passwd"), r"assets\.i0\.url: .*https"),
    ("http URL", first_asset(url="http://example.org/a.png"), r"assets\.i0\.url: .*https"),
    ("short sha256", first_asset(sha256="abc"), r"assets\.i0\.sha256"),
    ("no licence", first_asset(licence=""), r"assets\.i0\.licence"),
    ("negative size", first_asset(bytes=-1), r"assets\.i0\.bytes"),
    ("unknown medium", first_asset(media="hologram"), r"assets\.i0\.media"),
    ("unknown field of an asset", first_asset(colour="red"), r"assets\.i0\.colour"),
    ("unknown field", lambda data: data.update(sise=64), r"sise"),
    ("missing field", lambda data: data.pop("kind"), r"kind"),
    ("another schema", lambda data: data.update(schema=2), r"schema"),
    ("unknown kind", lambda data: data.update(kind="cross-audio"), r"kind"),
    ("name that is a path", lambda data: data.update(name="../up"), r"name"),
    ("enormous canvas", lambda data: data.update(size=10**6), r"size"),
    ("no cases", lambda data: data.update(drivings=[]), r"identities and drivings"),
    ("clips in a crossed suite", lambda data: data.update(clips=[{"id": "x"}]), r"clips"),
    ("asset that is not listed", lambda data: data["drivings"][0].update(asset="d9"), r"no asset is called 'd9'"),
    ("the same id twice", lambda data: data["drivings"][0].update(id="D1"), r"stands twice"),
    (
        "two cases of one name",
        lambda data: data.update(
            identities=[{"id": "i0", "asset": "i0"}, {"id": "i0__d0", "asset": "i0"}],
            drivings=[{"id": "d0", "asset": "d0"}, {"id": "d0__d0", "asset": "d0"}],
        ),
        r"two cases are called 'i0__d0__d0'",
    ),
    ("a target for no case", lambda data: data.update(targets={"i0__d9": {"asset": "i0"}}), r"no case is called"),
    ("frames of a picture", lambda data: data["drivings"][0].update(frames=2), r"frames, where one is meant"),
    ("negative start", lambda data: data["drivings"][0].update(start=-1), r"drivings\.0\.start"),
    (
        "a hundred million cases",
        lambda data: data.update(
            identities=[{"id": f"i{row}", "asset": "i0"} for row in range(400)],
            drivings=[{"id": f"d{row}", "asset": "d0"} for row in range(400)],
        ),
        r"more than 100000 cases",
    ),
]


@pytest.mark.parametrize(("edit", "message"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_a_wrong_manifest_is_refused(refused, where, make_suite, tmp_path, edit, message):
    manifest = make_suite(tmp_path / "suite", edit=lambda data: edit(data) and None)
    line = refused("run", "-s", manifest, *where)
    assert line.startswith(f"manifest {manifest}: ")
    assert re.search(message, line), line
    assert not (tmp_path / "runs").exists()


TEXTS = [
    ("empty", "", r"expected a mapping"),
    ("a list", "- 1\n- 2\n", r"expected a mapping"),
    ("a word", "hello", r"expected a mapping"),
    ("not YAML", "schema: [1", r"line"),
    ("a tag that runs code", "schema: !!python/object/apply:os.system ['touch hacked']", r"python/object"),
    ("a tag of its own", "schema: !thing 1", r"!thing"),
    ("a bomb of aliases", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", r"alias"),
    ("a bomb of nesting", "[" * 5000, r"nested"),
    ("a bomb of size", "#" * (9 * 2**20), r"larger than 8 MiB"),
    ("a key twice", "schema: 1\nschema: 1\n", r"'schema' stands twice"),
    ("two documents", "schema: 1\n---\nschema: 1\n", r"document"),
    ("numbers as keys", "1: 2\n", r"manifest"),
    ("not UTF-8", b"title: \xe4\n", r"UTF-8"),
    ("UTF-16", "title: x".encode("utf-16"), r"UTF-8"),
    ("control characters", b"title: \x07\n", r"manifest"),
    ("a picture", b"\x89PNG\r\n\x1a\n\0\0", r"UTF-8"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
@pytest.mark.parametrize("verb", [["run", "-s"], ["data", "check"]], ids=["run", "check"])
def test_a_file_that_is_no_manifest_is_refused(refused, tmp_path, monkeypatch, verb, text, message):
    monkeypatch.chdir(tmp_path)
    manifest = tmp_path / "suite.yaml"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused(*verb, manifest, "--cache", tmp_path / "cache")
    assert str(manifest) in line
    assert re.search(message, line), line
    assert not (tmp_path / "hacked").exists()


def test_a_link_out_of_the_folder_is_refused(refused, where, suite, tmp_path):
    picture = suite.parent / "i0.png"
    picture.rename(tmp_path / "outside.png")
    picture.symlink_to(tmp_path / "outside.png")
    assert re.search(r"asset i0: path 'i0\.png' leaves its folder", refused("run", "-s", suite, *where))


def test_a_missing_asset_names_the_command_that_brings_it(refused, where, suite):
    (suite.parent / "d1.png").unlink()
    assert re.search(r"asset d1: d1\.png is neither .* 'bench data fetch ", refused("run", "-s", suite, *where))


def test_a_wrong_sha256_names_both(refused, where, make_suite, tmp_path):
    manifest = make_suite(tmp_path / "suite", edit=first_asset(sha256="0" * 64))
    assert re.search(
        r"asset i0: .*sha256 is [0-9a-f]{64}, the manifest says 0{64}", refused("run", "-s", manifest, *where)
    )


def test_a_wrong_size_names_both(refused, where, make_suite, tmp_path):
    manifest = make_suite(tmp_path / "suite", edit=first_asset(bytes=5))
    assert re.search(r"asset i0: .*bytes, the manifest says 5", refused("run", "-s", manifest, *where))


def test_two_manifests_of_one_name_are_refused(refused, where, make_suite, tmp_path):
    suites = [make_suite(tmp_path / name) for name in "ab"]
    assert "two manifests are called 'tiny'" in refused("run", "-s", suites[0], "-s", suites[1], *where)


def test_a_suite_whose_report_would_overwrite_another_file_is_refused(refused, where, make_suite, tmp_path):
    for name in ("index", "Cost", "tiny.compare"):
        line = refused("run", "-s", make_suite(tmp_path / name, name=name), *where)
        assert f"'{name}' is a file of the report" in line


def test_what_the_tests_write_is_a_manifest(bench, where, suite):
    """The counterpart of the tables above: unedited, it runs."""
    assert yaml.safe_load(suite.read_text())["name"] == "tiny"
    assert bench("run", "-s", suite, "-m", "copy-driving", *where).code == 0
