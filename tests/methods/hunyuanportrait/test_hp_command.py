"""HunyuanPortrait through the public command: a dry run of the whole chain, and what a person is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TINY = Path(__file__).parents[1] / "strucbooth" / "tiny_generators.py"
STAMP = "random weights, not a measurement"


@pytest.mark.slow
def test_a_dry_run_ends_in_a_stamped_report(bench, tmp_path, make_suite, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")  # tables do not wrap
    suite = make_suite(tmp_path / "suite", drivings=1)
    folders = ["--out", tmp_path / "runs", "--cache", tmp_path / "cache"]
    where = ["--suite", suite, "--plugin", TINY, "--faces", "tiny", "--name", "r", *folders]
    given = ["--method", "strucbooth:steps=1", "--baseline", "hunyuanportrait:paste_back=true"]
    done = bench("run", *given, "--weights", "random-tiny", *where)
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "r"
    run = json.loads((folder / "run.json").read_text())
    assert run["method_grades"] == {"hunyuanportrait": STAMP, "hunyuanportrait+strucbooth": STAMP}
    assert f"hunyuanportrait+strucbooth ({STAMP})" in done.out
    assert list(folder.glob("outputs/*/*/*.canvas.*"))
    assert len(list(folder.glob("outputs/*/*/*.pasted.*"))) == len(list(folder.glob("outputs/*/*/*.canvas.*")))


def test_terms_are_told(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    explained = bench("methods", "explain", "hunyuanportrait").out
    assert "Non-Commercial" in explained
    assert "noise_levels (karras)" in explained
    doctor = bench("doctor", "-m", f"hunyuanportrait:weights={tmp_path}")
    assert "hyportrait/unet.pth" in doctor.out
    assert "HunyuanPortrait's weights: academic" in doctor.out


def test_without_weights_it_is_one_line(bench, tmp_path, make_suite):
    suite = make_suite(tmp_path / "suite", drivings=1)
    done = bench(
        "run", "--suite", suite, "--method", "hunyuanportrait", "--plugin", TINY, "--faces", "tiny", "--out", tmp_path
    )
    assert done.code == 2
    assert "weights=DIR" in done.err
    assert len(done.err.strip().splitlines()) == 1
