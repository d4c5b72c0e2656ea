"""The numbers behind the plots of cases, worked out on paper; and that they can be drawn."""

from __future__ import annotations

import pytest

from portraitbench.reports.case_plots import (
    forest,
    heat_map,
    loss_curves,
    losses_of,
    over_time,
    pairs_of,
    scatter,
    time_curves,
)
from portraitbench.reports.front import FrontPoint, draw_front, unbeaten
from portraitbench.reports.model import model_of
from portraitbench.reports.paper.figures import save_figure
from portraitbench.reports.plots import Panel
from portraitbench.reports.run_data import read_run


@pytest.fixture
def data(blank):
    for index, case in enumerate(("a-x", "a-y", "b-x", "b-y")):
        blank.case("base", case, {"up": [1.0 + index, 3.0 + index], "down": [1.0]})
        blank.case("ours", case, {"up": [2.0 + 2 * index, 4.0 + 2 * index], "down": [0.5 + index]})
    blank.case("base", "c-x", {"up": [1.0], "down": [1.0]})
    blank.case("ours", "c-x", None, "crash")
    blank.write()
    read = read_run(blank.folder)
    for number, made in enumerate(read.store.records.values()):
        if made["stage"] == "generate":
            made["detail"] = {"ldm_trace": f"[{number}.5, 1.0]", "ldm_last": 1.0} if made["method"] == "ours" else {}
    return read


def test_pairs_hold_the_cases_that_both_have(data):
    pairs = pairs_of(model_of(data).frame, "tiny", "up/1", "ours")
    assert pairs["base"].to_dict() == {"a-x": 2.0, "a-y": 3.0, "b-x": 4.0, "b-y": 5.0}
    assert pairs["delta"].to_dict() == {"a-x": 1.0, "a-y": 2.0, "b-x": 3.0, "b-y": 4.0}
    assert pairs.loc["b-x", ["identity", "driving"]].tolist() == ["b", "x"]


def test_values_over_time_are_those_of_the_frames(data):
    frame = model_of(data).frame
    assert over_time(frame, "tiny", "up/1", "b-x")["ours"].tolist() == [6.0, 8.0]
    assert over_time(frame, "tiny", "down/1", "b-x").empty


def test_losses_are_the_recorded_traces(data):
    curves = losses_of(data, "tiny", "ours")
    assert list(curves) == ["ldm"]
    assert len(curves["ldm"]) == 4
    assert all(curve[1] == 1.0 and curve[0] % 1 == 0.5 for curve in curves["ldm"])
    assert losses_of(data, "tiny", "base") == {}


def test_the_front_holds_what_nothing_beats():
    points = [FrontPoint(name, *place) for name, place in {"": (9, 9), "a": (5, 4), "b": (6, 5), "c": (4, 5)}.items()]
    assert [point.name for point in unbeaten(points)] == ["a", "b", ""]


def test_every_row_of_a_front_is_named_beside_its_point_or_in_the_legend():
    panel = Panel("t", "", "y", [], 0.0)
    told = {}
    for names in (["", "PGT", "PGT+grad", "PGT+grad+id"], ["", "steps=30", "steps=60"]):
        points = [FrontPoint(name, index, index) for index, name in enumerate(names)]
        figure = draw_front(points, panel, panel)
        beside = [text.get_text() for text in figure.axes[0].texts]
        told[tuple(beside)] = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == {
        ("PGT", "PGT+grad", "PGT+grad+id"): ["baseline", "not beaten in both metrics"],
        ("30", "60"): ["baseline", "steps", "not beaten in both metrics"],
    }


def test_names_of_near_points_of_two_lines_lie_apart():
    """As the rows of ``bench ablate weights`` often are: two lines close to each other."""
    panel = Panel("t", "", "y", [], 0.0)
    names = ["", *(f"grad={grad}+id={own}" for grad in (5, 10) for own in (0, 1, 2))]
    places = [(0.98, 6.0), *((0.97 + 0.002 * own, 4.6 - 0.1 * line) for line in (0, 1) for own in (0, 1, 2))]
    figure = draw_front([FrontPoint(name, *place) for name, place in zip(names, places, strict=True)], panel, panel)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 6
    assert not any(one.overlaps(other) for index, one in enumerate(boxes) for other in boxes[:index])


def test_all_can_be_drawn_with_a_missing_case(data, tmp_path):
    model = model_of(data)
    pairs = {"up/1": pairs_of(model.frame, "tiny", "up/1", "ours")}
    figures = {
        "forest": lambda: forest(model.comparison),
        "scatter": lambda: scatter(pairs, "base", "ours", dict.fromkeys(pairs, True)),
        "heat": lambda: heat_map(pairs, {"up/1": True}),
        "time": lambda: time_curves({"b-x": over_time(model.frame, "tiny", "up/1", "b-x")}, ["base", "ours"]),
        "loss": lambda: loss_curves(losses_of(data, "tiny", "ours")),
    }
    for name, make in figures.items():
        save_figure(make, tmp_path / name)
        save_figure(make, tmp_path / f"{name}-again")
        assert (tmp_path / f"{name}.pdf").read_bytes() == (tmp_path / f"{name}-again.pdf").read_bytes()
        assert (tmp_path / f"{name}.svg").read_bytes() == (tmp_path / f"{name}-again.svg").read_bytes()
