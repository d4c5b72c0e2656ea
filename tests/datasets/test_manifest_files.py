from __future__ import annotations

import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.core.errors import ManifestError
from portraitbench.datasets.manifest import Suite, SuiteKind, load_suite

ASSET = {
    "path": "media/a.png",
    "url": "https://example.org/a.png",
    "sha256": "0" * 64,
    "bytes": 10,
    "media": "image",
    "licence": "CC0-1.0",
    "provenance": "drawn for this test",
}
CROSS = {
    "schema": 1,
    "name": "mine",
    "title": "Mine",
    "kind": "cross-image",
    "assets": {"a": ASSET, "b": {**ASSET, "path": "media/b.png"}},
    "identities": [{"id": "ann", "asset": "a"}],
    "drivings": [{"id": "d1", "asset": "a"}, {"id": "d2", "asset": "b"}],
}
SELF = {
    "schema": 1,
    "name": "mine",
    "title": "Mine",
    "kind": "self-video",
    "assets": {"v": {**ASSET, "path": "v.mp4", "media": "video"}},
    "clips": [{"id": "c", "asset": "v", "identity_frame": 0, "start": 25, "frames": 50}],
}


def _with(base, where, value):
    """A copy of a manifest with one field set; ``where`` is a dotted path, numbers index lists."""
    data = copy.deepcopy(base)
    *parents, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    target = data
    for part in parents:
        target = target[part]
    target[last] = value
    return data


def _refusal(tmp_path, text):
    path = tmp_path / "suite.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ManifestError) as caught:
        load_suite(path)
    message = str(caught.value)
    assert message.startswith(f"manifest {path}: ")
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_cases_are_pairs_in_file_order(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(CROSS))
    cases = load_suite(path).cases()
    assert [(case.id, case.identity_id, case.driving_id) for case in cases] == [
        ("ann__d1", "ann", "d1"),
        ("ann__d2", "ann", "d2"),
    ]
    assert {case.target for case in cases} == {None}
    (case,) = Suite.model_validate(SELF).cases()
    assert (case.kind, case.identity.start, case.driving.start, case.driving.frames) == (
        SuiteKind.SELF_VIDEO,
        0,
        25,
        50,
    )
    assert case.target == case.driving


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "a/../../b.png",
        "/etc/passwd",
        "C:\\Windows\\x.png",
        "C:x.png",
        "\\\\server\\share\\x.png",
        "\\x.png",
        "a\\..\\..\\b.png",
        "",
        "a\0b",
    ],
)
def test_paths_cannot_leave_the_manifests_folder(tmp_path, path):
    data = _with(CROSS, "assets.a.path", path)
    assert "assets.a.path: must be a relative path inside" in _refusal(tmp_path, yaml.safe_dump(data))


@pytest.mark.parametrize("url", ["http://example.org/a", "file:///etc/passwd", "ftp://x/y", "//x/y", "data:,x", ""])
def test_urls_are_https_only(tmp_path, url):
    assert "must start with https://" in _refusal(tmp_path, yaml.safe_dump(_with(CROSS, "assets.a.url", url)))


FIELD_ERRORS = [
    (CROSS, "colour", "red", "colour: Extra inputs"),
    (CROSS, "assets.a.checksum", "x", "assets.a.checksum: Extra inputs"),
    (CROSS, "drivings.0.fps", 25, "drivings.0.fps: Extra inputs"),
    (CROSS, "schema", 2, "schema: "),
    (CROSS, "kind", "cross-audio", "kind: "),
    (CROSS, "name", "../x", "name: "),
    (CROSS, "size", 0, "size: "),
    (CROSS, "assets.a.sha256", "ABC", "assets.a.sha256: "),
    (CROSS, "assets.a.bytes", 0, "assets.a.bytes: "),
    (CROSS, "assets.a.bytes", 10**15, "assets.a.bytes: "),
    (CROSS, "assets.a.media", "audio", "assets.a.media: "),
    (CROSS, "assets.a.licence", "", "assets.a.licence: "),
    (CROSS, "assets", {}, "no asset is called 'a'"),
    (CROSS, "identities.0.asset", "gone", "no asset is called 'gone'"),
    (CROSS, "identities.0.id", "a/b", "identities.0.id: "),
    (CROSS, "drivings.1.id", "d1", "the id stands twice"),
    (CROSS, "drivings.1.id", "D1", "the id stands twice"),
    (CROSS, "drivings.0.start", -1, "drivings.0.start: "),
    (CROSS, "drivings.0.frames", 0, "drivings.0.frames: "),
    (CROSS, "drivings.0.frames", 2, "2 frames, where one is meant"),
    (CROSS, "drivings.0.crop", {"x": -1, "y": 0, "side": 64}, "drivings.0.crop.x: "),
    (CROSS, "drivings.0.crop", {"x": 0, "y": 0, "side": 4}, "drivings.0.crop.side: "),
    (CROSS, "drivings", [], "lists identities and drivings"),
    (CROSS, "targets", {"ann__d3": {"asset": "a"}}, "no case is called 'ann__d3'"),
    (CROSS, "targets", {"ann__d1": {"asset": "gone"}}, "no asset is called 'gone'"),
    (SELF, "clips.0.identity_frame", 25, "lies inside the driving frames"),
    (SELF, "clips.0.identity_frame", 74, "lies inside the driving frames"),
    (SELF, "clips.0.start", -5, "clips.0.start: "),
    (SELF, "clips.0.frames", 10**9, "clips.0.frames: "),
    (SELF, "identities", [{"id": "x", "asset": "v"}], "lists clips, and neither"),
]


@pytest.mark.parametrize(("base", "where", "value", "expected"), FIELD_ERRORS)
def test_a_wrong_field_is_named(tmp_path, base, where, value, expected):
    assert expected in _refusal(tmp_path, yaml.safe_dump(_with(base, where, value)))


def test_two_pairs_of_ids_with_one_case_id_are_refused(tmp_path):
    data = _with(CROSS, "identities", [{"id": "a__b", "asset": "a"}, {"id": "a", "asset": "a"}])
    data["drivings"] = [{"id": "c", "asset": "a"}, {"id": "b__c", "asset": "b"}]
    assert "two cases are called 'a__b__c'" in _refusal(tmp_path, yaml.safe_dump(data))


def test_more_cases_than_anyone_can_run_are_refused_without_forming_them(tmp_path):
    windows = [{"id": f"w{index}", "asset": "a"} for index in range(3200)]
    data = {**CROSS, "identities": windows, "drivings": windows}
    assert "more than 100000 cases" in _refusal(tmp_path, yaml.dump(data, Dumper=_NoAliases))


class _NoAliases(yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


TEXTS = {
    "bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "aliases"),
    "alias": ("schema: &s 1\nname: *s\n", "aliases"),
    "python tag": ("name: !!python/object/apply:os.system ['true']\n", "python/object"),
    "binary tag": ("schema: 1\nname: !thing x\n", "!thing"),
    "duplicate key": ("schema: 1\nname: a\nname: b\n", "'name' stands twice"),
    "duplicate asset": ("assets:\n  a: {}\n  a: {}\n", "'a' stands twice"),
    "not yaml": ("schema: [1, 2\nname: }\n", "line 2"),
    "tabs": ("schema:\n\t- 1\n", "line 2"),
    "latin-1": (b"schema: 1\nname: J\xf6rg\n", "not UTF-8"),
    "zip": (b"PK\x03\x04\xff\xff", "not UTF-8"),
    "control characters": (b"schema: \x01\n", "special characters"),
    "empty": ("", "expected a mapping"),
    "comment only": ("# nothing\n", "expected a mapping"),
    "list": ("- a\n- b\n", "expected a mapping"),
    "scalar": ("42\n", "expected a mapping"),
    "two documents": ("schema: 1\n---\nschema: 1\n", "document"),
    "deep": ("[" * 5000 + "]" * 5000, "nested"),
    "deep mapping": ("".join(" " * depth + "a:\n" for depth in range(200)), "nested"),
    "null": ("null\n", "expected a mapping"),
    "integer keys": ("1: 2\nschema: 1\n", "required"),
    "list as key": ("? [a, b]\n: 1\n", "keys must be plain words"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_no_manifest(tmp_path, name):
    text, expected = TEXTS[name]
    assert expected in _refusal(tmp_path, text)


def test_a_huge_file_is_refused_unread(tmp_path, monkeypatch):
    assert "larger than 8 MiB" in _refusal(tmp_path, b"#" * (8 * 2**20 + 1))
    monkeypatch.setattr("portraitbench.core.yamlfile.MAX_NODES", 1000)
    assert "too many" in _refusal(tmp_path, "[" + "1," * 1001 + "1]")


def test_missing_manifests_and_folders(tmp_path):
    with pytest.raises(ManifestError, match="No such file"):
        load_suite(tmp_path / "gone.yaml")
    with pytest.raises(ManifestError, match="manifest"):
        load_suite(tmp_path)


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=True),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["schema", "name", "kind", "assets", "identities", "drivings", "clips", "id"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_yaml_is_either_a_suite_or_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    _refusal(folder, yaml.safe_dump(data))
