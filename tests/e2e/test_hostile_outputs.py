"""Results made elsewhere that are missing, partial or of another shape, and methods that break their contract."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output
from portraitbench.reports.records_frame import tidy


def results(folder: Path, cases: str, frames: int = 1, size: int = 64) -> Path:
    for case in cases.split():
        pixels = np.random.default_rng(len(case)).integers(60, 180, (frames, size, size, 3))
        write_output(folder / case, Clip(pixels.astype(np.uint8), Fraction(12)))
    return folder


def test_an_empty_folder_is_refused(refused, where, suite, tmp_path):
    (tmp_path / "theirs").mkdir()
    line = refused("run", "-s", suite, "--outputs", f"x={tmp_path / 'theirs'}", *where)
    assert re.search(r"method outputs: .* holds no image or clip named <case id>\.png", line)


def test_a_file_in_place_of_the_folder_is_refused(refused, where, suite):
    assert "does not exist" in refused("run", "-s", suite, "--outputs", f"x={suite}", *where)


def test_two_files_of_one_case_are_refused(refused, where, suite, tmp_path):
    folder = results(tmp_path / "theirs", "i0__d0")
    (folder / "i0__d0.mp4").write_bytes(b"x")
    line = refused("run", "-s", suite, "--outputs", f"x={folder}", *where)
    assert re.search(r"both i0__d0\.mp4 and i0__d0\.png", line)


def test_missing_results_are_rows_and_a_coverage(bench, where, suite, tmp_path):
    folder = results(tmp_path / "theirs", "i0__d0 i0__d2 somebody__else")
    outcome = bench("run", "-s", suite, "--outputs", f"theirs={folder}", "--metric", "id_sim", *where)
    assert outcome.code == 0
    assert "without an output: 1 missing" in outcome.out
    frame = tidy(tmp_path / "runs" / "tiny").set_index("case")
    assert list(frame["status"]) == ["ok", "missing", "ok"]
    assert "has no file named i0__d1.*" in frame["reason"]["i0__d1"]
    assert "(66.7%)" in (tmp_path / "runs" / "tiny" / "report" / "tiny.md").read_text()


def test_a_result_that_arrives_later_is_scored_without_the_others_being_done_again(bench, where, suite, tmp_path):
    folder = results(tmp_path / "theirs", "i0__d0 i0__d2")
    arguments = ["run", "-s", suite, "--outputs", f"theirs={folder}", *where]
    bench(*arguments)
    results(folder, "i0__d1")
    outcome = bench(*arguments)
    assert "generate: 1 to do, 2 reused" in outcome.out
    assert set(tidy(tmp_path / "runs" / "tiny")["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("frames", "size", "status", "reason"),
    [
        (5, 64, "decode", "the output has 5 frames, the driving clip 4: resample it first"),
        (1, 64, "decode", "the output has 1 frames, the driving clip 4: resample it first"),
    ],
)
def test_a_result_of_another_length_is_a_row(bench, where, make_suite, tmp_path, frames, size, status, reason):
    suite = make_suite(tmp_path / "suite", "self-video")
    folder = results(results(tmp_path / "theirs", "d0 d2", 4), "d1", frames, size)
    assert bench("run", "-s", suite, "--outputs", f"theirs={folder}", *where).code == 0
    frame = tidy(tmp_path / "runs" / "tiny")
    own = frame["case"] == "d1"
    assert {*zip(frame[own]["status"], frame[own]["reason"], strict=True)} == {(status, reason)}
    assert set(frame[~own]["status"]) == {"ok"}


def test_a_result_of_another_size_has_no_pixel_metrics(bench, where, make_suite, tmp_path):
    suite = make_suite(tmp_path / "suite", "self-video")
    folder = results(results(tmp_path / "theirs", "d0 d2", 4), "d1", 4, 96)
    assert bench("run", "-s", suite, "--outputs", f"theirs={folder}", *where).code == 0
    frame = tidy(tmp_path / "runs" / "tiny")
    bad = frame[frame["status"] != "ok"]
    assert set(bad["case"]) == {"d1"}
    assert {name.partition("_")[0] for name in bad["metric"]} == {"psnr", "ssim"}
    assert set(bad["reason"]) == {"the output is 96x96 pixels, the target 64x64: resize the output first"}


def test_a_damaged_result_is_a_row(bench, where, suite, tmp_path):
    folder = results(tmp_path / "theirs", "i0__d0 i0__d1 i0__d2")
    (folder / "i0__d1.png").write_bytes(b"\x89PNG")
    assert bench("run", "-s", suite, "--outputs", f"theirs={folder}", *where).code == 0
    frame = tidy(tmp_path / "runs" / "tiny")
    assert set(frame[frame["case"] == "i0__d1"]["status"]) == {"decode"}
    assert set(frame[frame["case"] != "i0__d1"]["status"]) == {"ok"}


@pytest.mark.parametrize(
    ("how", "status"),
    [("raise", "crash"), ("nothing", "crash"), ("float", "crash"), ("long", "decode"), ("short", "decode")],
)
def test_a_method_that_breaks_its_contract_is_a_row(bench, where, make_suite, tmp_path, how, status):
    suite = make_suite(tmp_path / "suite", "cross-video")
    outcome = bench("run", "-s", suite, "-m", f"bad:how={how},only=i0__d1", "-m", "copy-driving", *where)
    assert outcome.code == 0
    assert "Traceback" not in outcome.out + outcome.err
    frame = tidy(tmp_path / "runs" / "tiny")
    own = (frame["case"] == "i0__d1") & (frame["method"] == "bad")
    assert set(frame[own]["status"]) == {status}
    assert set(frame[~own]["status"]) == {"ok"}
    page = (tmp_path / "runs" / "tiny" / "report" / "index.md").read_text()
    assert f"| tiny | bad | {status} |" in page
