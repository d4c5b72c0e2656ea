"""``bench score`` adds metrics unless they are to replace, and compares outputs with what they were made from only."""

from __future__ import annotations

import re

import pytest
import yaml

from portraitbench.core.digest import file_sha256
from portraitbench.reports.records_frame import tidy


def test_a_metric_is_added(finished, bench):
    folder, arguments = finished
    before = tidy(folder)
    few = bench("score", folder, "--metric", "id_sim", "--only")
    assert (few.code, set(tidy(folder)["metric"])) == (0, {"id_sim/1"})
    assert bench("score", folder, "--metric", "aed_lmk_px512").code == 0
    assert set(tidy(folder)["metric"]) == {"id_sim/1", "aed_lmk_px512/1"}
    # The same one again, in another spelling, changes nothing.
    assert bench("score", folder, "--metric", "id_sim/1").code == 0
    assert set(tidy(folder)["metric"]) == {"id_sim/1", "aed_lmk_px512/1"}
    assert bench(*arguments).code == 0
    assert tidy(folder)["value"].equals(before["value"])


@pytest.mark.parametrize("only", [[], ["--only"]])
def test_a_metric_that_applies_to_no_suite_is_refused_and_empties_nothing(finished, refused, only):
    folder, _ = finished
    before = tidy(folder)
    line = refused("score", folder, "--metric", "psnr_mask", *only)
    assert "psnr_mask/1 applies to no case of this run" in line
    assert tidy(folder).equals(before)


def test_only_needs_metrics(finished, refused):
    assert refused("score", finished[0], "--only") == "--only: say which metrics with --metric"


def test_two_forms_of_a_metric_are_two_columns(bench, where, make_suite, tmp_path):
    suite = make_suite(tmp_path / "suite", "self-video")
    run = ["run", "-s", suite, "-m", "toy", *where, "--metric"]
    alone = {}
    for form in ("psnr_mask", "psnr_mask:mask=hull"):
        assert bench(*run, form, "--name", "alone").code == 0
        alone[form] = list(tidy(tmp_path / "runs" / "alone")["value"])
    assert bench(*run, "psnr_mask", "--metric", "psnr_mask:mask=hull", "--name", "both").code == 0
    values = tidy(tmp_path / "runs" / "both").groupby("metric")["value"].apply(list)
    assert values["psnr_mask/1"] == alone["psnr_mask"]
    assert values["psnr_mask[mask=hull]/1"] == alone["psnr_mask:mask=hull"]
    assert alone["psnr_mask"] != alone["psnr_mask:mask=hull"]
    assert bench("score", tmp_path / "runs" / "alone", "--metric", "psnr_mask").code == 0
    assert set(tidy(tmp_path / "runs" / "alone")["metric"]) == set(values.index)


def swap_pictures(data):
    data["assets"]["d0"], data["assets"]["d1"] = data["assets"]["d1"], data["assets"]["d0"]


def shift_window(data):
    data["drivings"][0]["crop"] = {"x": 0, "y": 0, "side": 32}


def drop_driving(data):
    data["drivings"] = data["drivings"][1:]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (swap_pictures, r"suite tiny: case i0__d0: its driving, asset d0, is not what the outputs were made from"),
        (shift_window, r"suite tiny: case i0__d0: its driving, asset d0, is not"),
        (drop_driving, r"suite tiny has no case called 'i0__d0'"),
    ],
)
def test_outputs_are_not_compared_with_other_inputs(finished, refused, suite, edit, message):
    folder, _ = finished
    before = tidy(folder)
    data = yaml.safe_load(suite.read_text())
    edit(data)
    suite.write_text(yaml.safe_dump(data, sort_keys=False))
    assert re.search(message, refused("score", folder, "-f", "toy:weights=other"))
    assert tidy(folder).equals(before)


def test_a_changed_file_is_refused(finished, refused, suite):
    folder, _ = finished
    picture = suite.parent / "d1.png"
    picture.write_bytes((suite.parent / "d0.png").read_bytes())
    assert re.search(rf"asset d1: .*{file_sha256(picture)}|asset d1: .*bytes", refused("score", folder))
