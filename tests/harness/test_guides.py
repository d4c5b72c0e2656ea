"""PasteDrive in a benchmark: a manifest's guides reach the tuner, the keys, the checks and the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

from portraitbench.core.errors import ConfigError, ManifestError
from portraitbench.datasets.manifest import load_suite
from portraitbench.datasets.media import read_output
from portraitbench.harness.plan import make_plan
from portraitbench.harness.run_file import load_run
from portraitbench.harness.store import Store
from portraitbench.methods.strucbooth import tuner as tuner_module
from portraitbench.methods.strucbooth.targets import prepare

PLUGINS = [
    str(Path(__file__).parents[1] / "methods" / "strucbooth" / "tiny_generators.py"),
    str(Path(__file__).parents[1] / "toy_diffusion.py"),
]
FIELDS = {"plugins": PLUGINS, "baseline": "tiny-epsilon", "faces": ["tiny"], "metrics": ["id_sim"]}
FAST = "strucbooth:steps=2"


def with_guides(guides):
    """Edit a manifest so that its first driving has these, by region."""

    def edit(data):
        data["drivings"] = [{**data["drivings"][0], "guides": guides}, data["drivings"][1]]

    return edit


@pytest.fixture
def suite(make_suite, tmp_path):
    return make_suite(tmp_path / "suite", edit=with_guides({"eyes": {"asset": "d2"}}))


def test_a_manifests_guides_reach_the_tuner_the_keys_and_the_report(
    suite, make_suite, tmp_path, perform, bench, monkeypatch
):
    seen = {}

    def spy(generator, conditions, inputs, *args, sources, **kwargs):
        seen[inputs.case_id] = sources
        return prepare(generator, conditions, inputs, *args, sources=sources, **kwargs)

    monkeypatch.setattr(tuner_module, "prepare", spy)
    session, summary = perform(suite, methods=[FAST], name="pasted", **FIELDS)
    assert not summary.failures
    smile = read_output(tmp_path / "suite" / "d2.png").frames
    assert seen["i0__d0"].keys() == {"left_eye", "right_eye"}
    assert all(np.array_equal(clip.frames, smile) for clip in seen["i0__d0"].values())
    assert seen["i0__d1"] == {}

    plain = make_suite(tmp_path / "plain", drivings=3, edit=lambda data: data["drivings"].pop())
    other, _ = perform(plain, methods=[FAST], name="plain", **FIELDS)
    mine, theirs = ({(item.case, item.method): item.key for item in make_plan(one)} for one in (session, other))
    assert {name for name in mine if mine[name] != theirs[name]} == {
        ("i0__d0", "tiny-epsilon"),
        ("i0__d0", "tiny-epsilon+strucbooth"),
    }

    def made(one, method):
        store = Store(one.config.folder)
        store.load()
        found = [row for (stage, _), row in store.records.items() if stage == "generate" and row["method"] == method]
        return {row["case"]: row["output"]["sha256"] for row in found}

    # The guide reaches the tuned picture of its own case, and no other one.
    assert made(session, "tiny-epsilon") == made(other, "tiny-epsilon")
    ours, without = (made(one, "tiny-epsilon+strucbooth") for one in (session, other))
    assert (ours["i0__d0"] != without["i0__d0"], ours["i0__d1"] == without["i0__d1"]) == (True, True)
    assert load_run(session.config.folder).suites["tiny"].guides == {"d0": {"eyes": "d2"}}
    told = bench("report", session.config.folder)
    assert told.code == 0, told.err
    page = (session.config.folder / "report" / "index.md").read_text()
    assert "Regions driven by pictures of their own: `d0`: eyes=d2." in page


def test_a_suite_without_guides_is_what_it_was(make_suite, tmp_path):
    """No digest of a suite changes because there could be guides."""
    suite = load_suite(make_suite(tmp_path / "suite"))
    data = suite.model_dump(mode="json", by_alias=True)
    assert all("guides" not in driving for driving in data["drivings"])
    schema = type(suite).model_json_schema()
    assert "guides" in schema["$defs"]["Driving"]["properties"]


@pytest.mark.parametrize(
    ("guides", "message"),
    [
        ({"eyes": {"asset": "gone"}}, "no asset is called 'gone'"),
        ({"eyes": {"asset": "d2", "frames": 3}}, "3 frames, where one is meant"),
        ({"eyes": {"asset": "d2", "fames": 3}}, "Extra inputs are not permitted"),
        ({"left eye": {"asset": "d2"}}, "should match pattern"),
    ],
)
def test_guides_that_cannot_be_are_named_with_their_field(make_suite, tmp_path, guides, message):
    with pytest.raises(ManifestError, match=f"drivings.*guides|guides.*: .*{message}") as failed:
        load_suite(make_suite(tmp_path / "suite", edit=with_guides(guides)))
    assert message in str(failed.value)


def test_unknown_regions_and_tuners_without_regions_are_refused_before_anything_begins(
    suite, make_suite, make_session, tmp_path
):
    with pytest.raises(ConfigError, match="case i0__d0: guide eyes: method toy-tuner knows no regions"):
        make_plan(make_session(suite, methods=["toy-tuner"], **(FIELDS | {"baseline": "toy-diffusion"})))
    chin = make_suite(tmp_path / "chin", edit=with_guides({"chin": {"asset": "d2"}}))
    with pytest.raises(ConfigError, match="guide chin: method strucbooth has no such region"):
        make_plan(make_session(chin, methods=[FAST], **FIELDS))


def test_a_guide_without_a_face_is_a_row_that_says_so(suite, perform, tmp_path):
    from portraitbench.core.digest import file_sha256
    from portraitbench.datasets.media import write_image

    black = tmp_path / "suite" / "d2.png"
    write_image(black, np.zeros((64, 64, 3), np.uint8))
    data = yaml.safe_load(suite.read_text())
    data["assets"]["d2"] |= {"sha256": file_sha256(black), "bytes": black.stat().st_size}
    suite.write_text(yaml.safe_dump(data))
    session, summary = perform(suite, methods=[FAST], **FIELDS)
    assert summary.failures == {"no_face": 1}
    store = Store(session.config.folder)
    store.load()
    bad = [record for record in store.records.values() if record["status"] == "no_face"]
    assert [(row["case"], row["method"]) for row in bad] == [("i0__d0", "tiny-epsilon+strucbooth")]
    assert "eye shows no face in any of its frames" in bad[0]["reason"]


def test_a_guides_file_is_required_like_any_other(suite, perform, bench, tmp_path):
    (tmp_path / "suite" / "d2.png").unlink()
    assert "d2" in bench("data", "check", suite, "--cache", tmp_path / "cache").out
    from portraitbench.core.errors import AssetError

    with pytest.raises(AssetError, match="asset d2"):
        perform(suite, methods=[FAST], **FIELDS)
