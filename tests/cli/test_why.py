"""``bench why``: one planted change of each kind is named, with its old and its new value, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from portraitbench.core.digest import file_sha256
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output
from portraitbench.harness import fingerprint
from portraitbench.harness.fingerprint import differences

TOYS = Path(__file__).parents[1] / "toys.py"
TELLING = """
from portraitbench.core.options import Options, parse_options
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator
class TellingOptions(Options):
    steps: int = 8
    weights: str = "a" * 64
class Telling(Generator):
    name = "telling"
    def __init__(self, options, context):
        self.own = parse_options(TellingOptions, options, "method telling")
    def case_fingerprint(self, case_id):
        weights = {"unet": self.own.weights}
        return {"name": self.name, "code": 1, "options": {"steps": self.own.steps}, "weights": weights}
    def fingerprint(self):
        return self.case_fingerprint("")
    def animate(self, inputs):
        return Animation(inputs.driving)
METHODS.add("telling", Telling)
"""


@pytest.fixture
def job(bench, make_suite, tmp_path):
    """Run a configuration, with fields changed; ask why about it, planned from the configuration as it then is."""
    plugin = tmp_path / "telling.py"
    plugin.write_text(TELLING)
    suite, config = make_suite(tmp_path / "suite"), tmp_path / "job.yaml"
    fields = {
        "suites": [str(suite)],
        "methods": ["telling", "copy-driving"],
        "faces": ["toy"],
        "metrics": ["id_sim"],
        "plugins": [str(TOYS), str(plugin)],
        "out": str(tmp_path / "runs"),
        "cache": str(tmp_path / "cache"),
        "device": "cpu",
        "name": "own",
    }

    class Job:
        folder = tmp_path / "runs" / "own"
        manifest = suite

        def run(self, **changes):
            config.write_text(yaml.safe_dump(fields | changes))
            done = bench("run", "--config", config)
            assert done.code == 0, done.err

        def why(self, *flags, **changes):
            config.write_text(yaml.safe_dump(fields | changes))
            told = bench("why", self.folder, "--config", config, *flags)
            assert told.code == 0, told.err
            return told.out.splitlines()

    return Job()


def test_nothing_changed_is_said_too(job):
    job.run()
    assert job.why() == ["nothing will be computed again: all 6 outputs and their scores are as they were"]


@pytest.mark.parametrize(
    ("changes", "rows", "fields"),
    [
        ({"methods": ["telling:steps=9", "copy-driving"]}, ["telling"], ["method.options.steps: 8 -> 9"]),
        (
            {"methods": [f"telling:weights={'b' * 64}", "copy-driving"]},
            ["telling"],
            [f"method.weights.unet: {'a' * 12} -> {'b' * 12}"],
        ),
        ({"seed": 7}, ["telling", "copy-driving"], ["seed: 0 -> 7"]),
        ({"threads": 2}, ["telling", "copy-driving"], ["threads: 1 -> 2"]),
        ({"device": "cuda:1"}, ["telling", "copy-driving"], ["device: cpu -> cuda"]),
    ],
    ids=["option", "weight", "seed", "threads", "device"],
)
def test_a_change_of_an_output_is_named(job, changes, rows, fields):
    job.run()
    # What a card does with numbers belongs to the device and is told with it.
    told = [line for line in job.why(**changes) if not line.startswith("  arithmetic.")]
    assert told == [line for row in rows for line in (f"{row}: outputs of i0__d0 and 2 more", f"  {fields[0]}")]
    narrowed = job.why("--case", "i0__d1", "--method", "telling", **changes)
    narrowed = [line for line in narrowed if not line.startswith("  arithmetic.")]
    assert narrowed == ["telling: outputs of i0__d1", f"  {fields[0]}"]


def test_another_version_of_the_code_is_named(job, monkeypatch):
    job.run()
    monkeypatch.setattr(fingerprint, "GENERATE_VERSION", 2)
    assert "  version: 1 -> 2" in job.why()
    monkeypatch.undo()
    monkeypatch.setattr(fingerprint, "SCORE_VERSION", 5)
    assert job.why("--method", "telling") == ["telling: id_sim/1 of i0__d0 and 2 more", "  version: 1 -> 5"]


def test_another_asset_is_named_with_its_digests(job):
    job.run()
    data = yaml.safe_load(job.manifest.read_text())
    old = data["assets"]["d1"]["sha256"]
    path = write_output(job.manifest.parent / "d1", Clip.from_image(np.full((64, 64, 3), 128, np.uint8)))
    data["assets"]["d1"] |= {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    job.manifest.write_text(yaml.safe_dump(data))
    new = file_sha256(path)
    assert job.why("--method", "telling") == [
        "telling: outputs of i0__d1",
        f"  driving.sha256: {old[:12]} -> {new[:12]}",
    ]


def test_other_face_models_are_named_for_the_scores_that_they_decide(job):
    job.run()
    told = job.why("--method", "telling", faces=["toy:weights=other"])
    assert told[0] == "telling: id_sim/1 of i0__d0 and 2 more"
    assert "  faces.detector.weights: none -> other" in told
    assert all(line.endswith(".weights: none -> other") for line in told[1:])


def test_a_metric_that_is_new_and_an_output_that_is_gone(job):
    job.run()
    told = job.why("--method", "telling", metrics=["id_sim", "aed_lmk_px512"])
    assert told == ["telling: aed_lmk_px512/1 of i0__d0 and 2 more", "  was never done"]
    (job.folder / "outputs" / "tiny" / "i0__d2" / "telling.png").unlink()
    assert job.why() == ["telling: outputs of i0__d2", "  its file is gone or is not as it was written"]


def test_the_past_is_told_from_the_records_alone(job, bench):
    job.run()
    job.run(seed=3)
    told = bench("why", job.folder, "--past", "--method", "telling")
    assert told.out.splitlines() == ["telling: outputs of i0__d0 and 2 more", "  seed: 0 -> 3"]
    assert bench("why", job.folder).out.startswith("nothing will be computed again")


def test_failures_are_work_again_only_where_they_are_retried(job):
    methods = ["bad:how=raise,only=i0__d1"]
    job.run(methods=methods)
    assert job.why(methods=methods)[0].startswith("nothing will be computed again")
    assert job.why(methods=methods, retry_failed=True) == [
        "bad: outputs of i0__d1",
        "  failed (crash: RuntimeError: first line second line), and --retry-failed is set",
    ]


def test_a_case_or_row_that_is_not_there_is_one_line(job, bench):
    job.run()
    for flags in (["--case", "i9*"], ["--method", "copy"]):
        done = bench("why", job.folder, *flags)
        assert done.code == 2
        assert re.search(r"no output has case .* \(methods: telling, copy-driving\)", done.err)


def test_differences_name_what_is_new_what_is_gone_and_what_is_in_lists():
    old = {"a": 1, "b": {"c": [1, 2], "d": None}, "e": {}}
    new = {"a": 1, "b": {"c": [1, 3], "f": "x"}, "e": {"g": True}}
    assert differences(old, new) == [
        "b.c: [1, 2] -> [1, 3]",
        "b.d: None -> (none)",
        "e: {} -> (none)",
        "b.f: (none) -> x",
        "e.g: (none) -> True",
    ]
    assert differences(old, old) == []
