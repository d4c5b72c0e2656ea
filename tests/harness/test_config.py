"""Configuration: short forms, files under flags, and one line for whatever does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.harness.component import ComponentSpec, parse_component
from portraitbench.harness.config import check_config, load_config, stored_config
from portraitbench.harness.defaults import REFERENCE_METHODS


@pytest.mark.parametrize(
    ("text", "name", "label", "options"),
    [
        ("warp", "warp", "", {}),
        ("warp:", "warp", "", {}),
        ("warp:kind=tps", "warp", "", {"kind": "tps"}),
        ("warp:strength=0.5,as=soft", "warp", "soft", {"strength": 0.5}),
        ("a:x=true,y=null,z=007,w=1e3", "a", "", {"x": True, "y": None, "z": 7, "w": "1e3"}),
        ("a:path=/some/where:else", "a", "", {"path": "/some/where:else"}),
        ("a:equation=b=c", "a", "", {"equation": "b=c"}),
        ("a:bracket=[", "a", "", {"bracket": "["}),
        ("a:as=2", "a", "2", {}),
    ],
)
def test_short_form(text, name, label, options):
    assert parse_component(text) == {"name": name, "label": label, "options": options}
    spec = ComponentSpec.model_validate(text)
    assert (spec.name, spec.options) == (name, options)
    assert spec.label == (label or name)


@pytest.mark.parametrize("text", ["warp:soft", "warp:=1", "warp:a=1,b", ""])
def test_short_form_that_is_none(text):
    with pytest.raises(ConfigError, match=r"^config: methods"):
        check_config({"methods": [text]}, "config")


@pytest.mark.parametrize("label", ["", "target", "a b", "../x", ".hidden", "a/b", "x" * 81, "ü"])
def test_labels_are_safe_file_names(label):
    if label == "":
        assert ComponentSpec(name="aed_coeff_l1[toy]/1").label == "aed_coeff_l1-toy--1"
        return
    with pytest.raises(ConfigError, match="label"):
        check_config({"methods": [{"name": "warp", "label": label}]}, "config")


def names(specs):
    return [spec.name for spec in specs]


def test_nothing_given_is_strucbooth_on_the_embedded_generator():
    config = check_config({}, "config")
    assert names([config.baseline, *config.methods]) == ["pocket", "strucbooth", "ideal"]
    assert (config.suites, names(config.faces), config.run_name) == (["pocket"], ["pocket"], "pocket")
    assert check_config({"suites": ["pocket-self"]}, "config").methods == config.methods


@pytest.mark.parametrize(
    ("given", "suites", "methods", "faces"),
    [
        ({"suites": ["demo-image"]}, ["demo-image"], list(REFERENCE_METHODS), ["dlib"]),
        ({"suites": ["demo-image", "pocket"]}, ["demo-image", "pocket"], list(REFERENCE_METHODS), ["dlib"]),
        ({"baseline": "pocket:steps=5"}, ["pocket"], [], ["pocket"]),
        ({"baseline": {"name": "pocket"}, "faces": ["dlib"]}, ["pocket"], [], ["dlib"]),
        ({"baseline": "hellomeme", "methods": ["strucbooth"]}, ["public-cross-image"], ["strucbooth"], ["dlib"]),
        ({"methods": ["warp"]}, ["pocket"], ["warp"], ["pocket"]),
    ],
)
def test_what_is_left_open_follows_from_what_is_given(given, suites, methods, faces):
    config = check_config(given, "config")
    assert (config.suites, names(config.methods), names(config.faces)) == (suites, methods, faces)


def test_flags_win_over_the_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("seed: 5\nworkers: 2\nmethods: [warp, {name: warp, label: soft, options: {strength: 0.5}}]\n")
    config = load_config(path, {"seed": 0, "out": tmp_path})
    assert (config.seed, config.workers, config.out) == (0, 2, tmp_path)
    assert [spec.label for spec in config.methods] == ["warp", "soft"]
    assert load_config(path, {}).seed == 5


def test_what_run_json_remembers_is_the_same_configuration():
    config = check_config({"methods": ["warp:strength=0.5,as=soft"], "baseline": "copy-identity", "cases": ["a*"]}, "x")
    assert check_config(config.model_dump(mode="json"), "x") == config


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"shard": "2/3"}, (1, 3)),
        ({"shard": "3/3"}, (2, 3)),
    ],
)
def test_shards_count_from_one(fields, names):
    assert check_config(fields, "config").shard_of == names


@pytest.mark.parametrize(
    ("suites", "name"),
    [
        (["demo-image"], "demo-image"),
        (["a/b/My faces (2).yaml"], "My-faces--2"),
        (["_x.yaml", "demo-self"], "x+demo-self"),
        (["..yaml"], "run"),
    ],
)
def test_a_run_without_a_name_gets_one_that_is_a_valid_name(suites, name):
    config = check_config({"suites": suites, "out": "runs"}, "config")
    assert config.folder == Path("runs") / name
    assert check_config({"name": config.run_name}, "config").run_name == name


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seeds": 1}, "seeds"),
        ({"seed": "high"}, "seed"),
        ({"suites": []}, "suites"),
        ({"suites": "demo-image"}, "suites"),
        ({"methods": [{"name": "warp", "option": {}}]}, r"methods\.0.*option"),
        ({"methods": [5]}, r"methods\.0"),
        ({"methods": ["warp", "warp:kind=tps"]}, "two methods are called 'warp'.*as="),
        ({"shard": "0/2"}, "shard"),
        ({"shard": "3/2"}, "shard"),
        ({"shard": "1/0"}, "shard"),
        ({"shard": "half"}, "shard"),
        ({"device": "gpu"}, "device"),
        ({"device": "cuda:"}, "device"),
        ({"workers": 0}, "workers"),
        ({"workers": 257}, "workers"),
        ({"threads": 0}, "threads"),
        ({"limit": 0}, "limit"),
        ({"case_timeout": 0}, "case_timeout"),
        ({"case_timeout": float("inf")}, "case_timeout"),
        ({"case_timeout": float("nan")}, "case_timeout"),
        ({"name": "../escape"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "dot."}, "name"),
        ({1: 2}, "."),
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_line(fields, message):
    with pytest.raises(ConfigError, match=rf"^here: .*{message}") as caught:
        check_config(fields, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "expected a mapping"),
        ("seed: [", "line 1"),
        ("seed: 1\nseed: 2", "'seed' stands twice"),
        ("seed: !!python/object/apply:os.system [ls]", "python/object"),
        ("seed: &a 1\nlimit: *a", "alias"),
        ("", "expected a mapping"),
        (b"seed: \xff", "UTF-8"),
    ],
    ids=str,
)
def test_a_file_that_is_none(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path, {})
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"run\.yaml: No such file"):
        load_config(tmp_path / "run.yaml", {})


def test_weights_are_an_option_of_the_baseline_or_of_every_method():
    tuned = load_config(None, {"baseline": "hellomeme:fps=0", "methods": ["strucbooth"], "weights": "some/folder"})
    assert tuned.baseline.options == {"fps": 0, "weights": "some/folder"}
    assert tuned.methods[0].options == {}
    plain = load_config(None, {"methods": ["hellomeme", "warp"], "weights": "w"})
    assert [spec.options for spec in plain.methods] == [{"weights": "w"}, {"weights": "w"}]
    assert stored_config(tuned.model_dump(mode="json"), Path("r")).baseline == tuned.baseline


def test_random_weights_make_a_dry_run():
    dry = load_config(None, {"baseline": "hellomeme", "methods": ["strucbooth"], "weights": "random-tiny"})
    same = load_config(None, {"baseline": "hellomeme:weights=random-tiny", "methods": ["strucbooth"]})
    assert dry == same
    assert (dry.suites, dry.limit) == (["public-cross-image"], 2)
    assert dry.faces[0].options == {"threshold": 0}
    assert load_config(None, {"baseline": "hellomeme", "weights": "random-tiny", "full": True}).limit is None
    assert load_config(None, {"baseline": "hellomeme", "weights": "random-tiny", "limit": 7}).limit == 7
    assert load_config(None, {"baseline": "hellomeme", "weights": "w"}).faces[0].name == "dlib"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "name the baseline"),
        ({"baseline": "hellomeme:weights=a"}, "hellomeme has weights=a already"),
        ({"baseline": "hellomeme:weights"}, "is not key=value"),
    ],
)
def test_weights_of_nothing_are_refused(given, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load_config(None, {"weights": "b"} | given)
    assert "\n" not in str(caught.value)
