"""StrucBooth through the command, on tiny generators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TINY = Path(__file__).with_name("tiny_generators.py")


@pytest.fixture
def where(tmp_path, make_suite):
    suite = make_suite(tmp_path / "suite", drivings=2)
    folders = ["--out", tmp_path / "runs", "--cache", tmp_path / "cache"]
    return ["--suite", suite, "--plugin", TINY, "--faces", "tiny", "--name", "r", *folders]


def records(tmp_path):
    lines = [line for path in (tmp_path / "runs" / "r" / "records").glob("*.jsonl") for line in path.open()]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", ["epsilon", "flow"])
def test_a_run_tunes_measures_and_records_the_losses(bench, where, tmp_path, kind):
    done = bench("run", "--method", "strucbooth:snapshots=2", "--baseline", f"tiny-{kind}", *where)
    assert done.code == 0, done.err
    assert f"tiny-{kind}+strucbooth" in done.out
    tuned = [r for r in records(tmp_path) if r["stage"] == "generate" and r["method"] == f"tiny-{kind}+strucbooth"]
    assert len(tuned) == 2
    for record in tuned:
        detail = record["detail"]
        assert (detail["tuned_steps"], detail["lora_steps"], detail["sampling_steps"]) == (3, 2, 5)
        for name in ("ldm", "gradient", "identity"):
            assert len(json.loads(detail[f"{name}_trace"])) == 3
            assert detail[f"{name}_first"] >= 0
        assert detail["per_second_tune"] == pytest.approx(3 / detail["seconds_tune"], rel=0.01)
        assert detail["per_second_sample"] == pytest.approx(5 / detail["seconds_sample"], rel=0.01)
        peaks = [detail[f"peak_bytes_{phase}"] for phase in ("condition", "pgt", "tune", "sample")]
        assert 0 < max(peaks) <= record["peak_bytes"]


def test_a_case_that_diverges_is_a_typed_row_and_the_baseline_goes_on(bench, where, tmp_path):
    done = bench("run", "--method", "strucbooth", "--baseline", "tiny-v:nan_from=1", *where)
    assert done.code in (0, 1), done.err
    generated = [r for r in records(tmp_path) if r["stage"] == "generate"]
    assert {r["status"] for r in generated if r["method"] == "tiny-v"} == {"ok"}
    tuned = [r for r in generated if r["method"] != "tiny-v"]
    assert {r["status"] for r in tuned} == {"diverged"}
    assert all("step" in r["reason"] for r in tuned)


def test_what_does_not_fit_is_one_line(bench, where):
    done = bench("run", "--method", "strucbooth:stepps=3", "--baseline", "tiny-v", *where)
    assert done.code == 2
    assert "stepps" in done.err
    assert "Traceback" not in done.err
    assert bench("run", "--method", "strucbooth", *where).code == 2


def test_a_user_suite_without_an_identity_network_is_refused_before_any_output(bench, where, tmp_path):
    without = ["tiny-landmarks" if word == "tiny" else word for word in where]
    for command in ("run", "estimate"):
        done = bench(command, "--method", "strucbooth", "--baseline", "tiny-v", *without)
        assert (done.code, done.err.count("\n")) == (2, 1)
        for told in ("tiny-landmarks", "--faces", "identity_model=", "identity_weight=0"):
            assert told in done.err
    assert not (tmp_path / "runs").exists()
    done = bench("run", "--method", "strucbooth:identity_weight=0", "--baseline", "tiny-v", *without)
    assert done.code == 0, done.err
    assert {r["status"] for r in records(tmp_path) if r["stage"] == "generate"} == {"ok"}


@pytest.mark.parametrize(
    ("options", "told"), [("identity_model=none.onnx", "none.onnx does not exist"), ("decoding=tiled", "no tiled")]
)
def test_what_the_settings_ask_for_in_vain_is_said_before_any_output(bench, where, tmp_path, options, told):
    done = bench("run", "--method", f"strucbooth:{options}", "--baseline", "tiny-v", *where)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert told in done.err
    assert not (tmp_path / "runs").exists()
