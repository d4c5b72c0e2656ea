"""Plots: the axes hold the numbers given, pictures are not blank, and equal numbers give equal bytes."""

from __future__ import annotations

import math
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from portraitbench.harness.run_file import RunFile
from portraitbench.reports.ablation import draw_ablation, panels
from portraitbench.reports.plots import Panel, Spot, draw, save
from portraitbench.reports.render.markdown import about_ablation

SPOTS = [Spot(0, 6.0, 6.0, 6.0, [5.0, 7.0]), Spot(30, 5.0, 4.5, 5.5, [4.0, 6.0]), Spot(90, 4.0, 3.0, 5.0, [3.0, 5.0])]
CURVE = Panel("a suite: distance", "tuning steps", "aed [px]", SPOTS, 6.0)
NAMED = Panel("a suite: distance", "", "aed [px]", SPOTS, 6.0, ["base", "PGT", "grad"])


def line_points(axes):
    return [list(map(tuple, line.get_xydata())) for line in axes.lines]


def test_a_curve_has_means_band_baseline_and_labels():
    axes = draw([[CURVE]]).axes[0]
    means, dashed = line_points(axes)
    assert means == [(0, 6.0), (30, 5.0), (90, 4.0)]
    assert {y for _, y in dashed} == {6.0}
    corners = {tuple(point) for point in axes.collections[0].get_paths()[0].vertices}
    assert {(30, 4.5), (30, 5.5), (90, 3.0), (90, 5.0)} <= corners
    assert list(axes.get_xticks()) == [0, 30, 90]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("tuning steps", "aed [px]", CURVE.title)


def test_named_rows_have_bars_cases_and_their_names():
    axes = draw([[NAMED]]).axes[0]
    drawn = line_points(axes)
    for spot in SPOTS:
        assert [(spot.x, spot.low), (spot.x, spot.high)] in drawn
        assert [(spot.x, spot.mean)] in drawn
    cases = [dots.get_offsets()[:, 1].tolist() for dots in axes.collections]
    assert cases == [list(spot.cases) for spot in SPOTS]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["base", "PGT", "grad"]


@pytest.mark.parametrize("panel", [CURVE, NAMED])
def test_an_interval_of_few_clusters_does_not_press_the_cases_into_a_line(panel):
    wide = replace(panel, spots=[*SPOTS[:2], replace(SPOTS[2], low=-90.0, high=98.0)])
    low, high = draw([[wide]]).axes[0].get_ylim()
    assert (low, high) == (3.0 - 4.0, 7.0 + 4.0)  # cases are from 3 to 7
    narrow_low, narrow_high = draw([[panel]]).axes[0].get_ylim()
    assert low < narrow_low < narrow_high < high


def test_rows_of_different_length_leave_a_place_empty():
    figure = draw([[CURVE, CURVE], [NAMED]])
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
    colours = [axes.lines[0].get_color() for axes in figure.axes[:2]]
    assert colours[0] != colours[1]


def test_the_picture_shows_something_and_is_a_function_of_the_numbers(tmp_path):
    save(lambda: draw([[CURVE, NAMED]]), tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    left, right = np.array_split(pixels, 2, axis=1)
    for half in (left, right):
        share = (half != 255).any(axis=-1).mean()
        assert 0.02 < share < 0.6
    assert Image.open(tmp_path / "a.png").text == {}
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 10}):
        save(lambda: draw([[CURVE, NAMED]]), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    save(lambda: draw([[NAMED, CURVE]]), tmp_path / "c.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


METRICS = ["aed_lmk_px512/1", "psnr_mask/1", "id_sim/1", "aed_lmk_target_px512/1"]
VALUES = {"base": [6.0, 8.0, 7.0], "base+steps=30": [5.0, 7.5, 5.0], "base+steps=60": [4.0, 6.0, math.nan]}


def ablation_run(kind="self-video", ablation="steps"):
    """A run of three cases and three rows, with the values of VALUES."""
    metric = {"title": "t", "unit": "u", "higher_is_better": False, "level": "frame", "options": {}, "backends": []}
    run = RunFile.model_validate(
        {
            "created": "",
            "config": {
                "ablation": ablation,
                "baseline": {"name": "tiny", "label": "base"},
                "methods": [{"name": "strucbooth", "label": f"steps={n}", "options": {"steps": n}} for n in (30, 60)],
            },
            "suites": {"s": {"title": "S", "kind": kind, "size": 64, "digest": "d"}},
            "methods": list(VALUES),
            "backends": [],
            "metrics": dict.fromkeys(METRICS, metric),
            "provenance": {"packages": {}, "python": "3", "system": "s", "machine": "m", "checkout": None},
        }
    )
    rows = [
        {"suite": "s", "case": f"c{index}", "identity": f"i{index}", "driving": f"d{index % 2}", "method": method}
        # Two frames per case, whose mean is the value; the target's metric was never measured.
        | {"metric": name, "value": math.nan if "target" in name else value + shift}
        for name in METRICS
        for method, values in VALUES.items()
        for index, value in enumerate(values)
        for shift in (-1.0, 1.0)
    ]
    return run, pd.DataFrame(rows)


def test_an_ablation_shows_its_headline_metrics_against_the_steps():
    (row,) = panels(*ablation_run())
    assert [panel.y_label.partition("\n")[0] for panel in row] == ["aed_lmk_px512/1", "id_sim/1"]
    panel = row[0]
    assert [spot.x for spot in panel.spots] == [0, 30, 60]
    assert [spot.mean for spot in panel.spots] == pytest.approx([7.0, 17.5 / 3, 5.0])
    assert panel.level == pytest.approx(7.0)
    assert panel.names == []
    assert panel.spots[2].cases == [4.0, 6.0]


def test_bands_are_of_the_paired_difference_from_the_baseline():
    spots = panels(*ablation_run())[0][0].spots
    assert (spots[0].low, spots[0].high) == pytest.approx((7.0, 7.0))
    deltas = [-1.0, -0.5, -2.0]
    half = stats.t.ppf(0.975, 2) * stats.sem(deltas)
    assert (spots[1].low, spots[1].high) == pytest.approx((17.5 / 3 - half, 17.5 / 3 + half))
    # The third case has no value: the pairs are the other two, whose differences are equal.
    assert (spots[2].low, spots[2].high) == pytest.approx((5.0, 5.0))
    crossed = panels(*ablation_run("cross-image"))[0][0].spots
    assert crossed[1].high - crossed[1].low != pytest.approx(2 * half)


def test_the_caption_leaves_it_to_the_tables_what_is_clear():
    """Intervals of a plot are not corrected for the number of comparisons; verdicts are."""
    text = about_ablation("steps")
    assert "not corrected for the number of comparisons" in text
    assert "Which differences are clear, the verdicts of the tables say" in text


def test_other_ablations_name_their_rows_and_other_runs_draw_nothing(tmp_path):
    run, frame = ablation_run(ablation="losses")
    assert panels(run, frame)[0][0].names == ["base", "steps=30", "steps=60"]
    draw_ablation(tmp_path, panels(run, frame))
    assert (tmp_path / "ablation.png").exists()
    assert "![losses](ablation.png)" in about_ablation("losses")
    for nothing in (ablation_run(ablation=None), (run, frame.assign(value=math.nan))):
        assert panels(*nothing) == []
        draw_ablation(tmp_path, panels(*nothing))
        assert not (tmp_path / "ablation.png").exists()
