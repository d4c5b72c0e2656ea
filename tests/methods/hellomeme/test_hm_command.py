"""HelloMeme on random weights through the public command: the whole chain, stamped as no measurement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TINY = Path(__file__).parents[1] / "strucbooth" / "tiny_generators.py"
STAMP = "random weights, not a measurement"


@pytest.fixture
def where(tmp_path, make_suite, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")  # tables do not wrap
    suite = make_suite(tmp_path / "suite", drivings=1)
    folders = ["--out", tmp_path / "runs", "--cache", tmp_path / "cache"]
    return ["--suite", suite, "--plugin", TINY, "--faces", "tiny", "--name", "r", *folders]


def test_a_run_ends_in_a_stamped_report(bench, where, tmp_path):
    methods = ["--method", "strucbooth:steps=1", "--method", "copy-identity"]
    done = bench("run", *methods, "--baseline", "hellomeme", "--weights", "random-tiny", *where)
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "r"
    run = json.loads((folder / "run.json").read_text())
    assert run["method_grades"] == {"hellomeme": STAMP, "hellomeme+strucbooth": STAMP, "copy-identity": "real"}
    means, compared = next((folder / "report").glob("[!i]*.md")).read_text().split("### vs. hellomeme")
    assert f"| hellomeme ({STAMP}) |" in means
    for part in (means, compared):
        assert f"| hellomeme+strucbooth ({STAMP}) |" in part
        assert f"copy-identity ({STAMP})" not in part
    for title in ("hellomeme", "hellomeme+strucbooth"):
        assert f"{title} ({STAMP})" in done.out


def test_without_weights_it_is_one_line(bench, where, tmp_path):
    done = bench("run", "--method", f"hellomeme:weights={tmp_path}", *where)
    assert done.code == 2
    assert "realisticVisionV60B1_v51VAE" in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) == 1
