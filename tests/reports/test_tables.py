"""Frames and tables of a run that was written by hand: every number below was worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from portraitbench.harness.plan import PlanItem, plan_lines
from portraitbench.harness.run_file import load_run
from portraitbench.harness.store import Store
from portraitbench.reports.cost import cost
from portraitbench.reports.model import build_report
from portraitbench.reports.records_frame import COLUMNS, store_frame, tidy
from portraitbench.reports.render.csv import csv_text
from portraitbench.reports.render.markdown import coverage_warning, markdown, means_table, page
from portraitbench.reports.tables import failures, low_coverage, summarise


@pytest.fixture
def frame(crafted):
    return tidy(crafted.folder)


@pytest.fixture
def table(crafted, frame):
    return summarise(frame, load_run(crafted.folder))


def test_the_frame_has_a_row_per_value(frame):
    assert list(frame.columns) == COLUMNS
    # base: (4 + 1 + 2) frames x 2 metrics; ours: (4 + 2) x 2, and one row per metric of the failed case.
    assert len(frame) == 14 + 12 + 2
    assert frame["frame"].dtype == "Int64"
    assert frame["value"].dtype == np.float64
    assert set(frame["run"]) == {"run"}
    assert list(frame["identity"].unique()) == ["a", "b"]
    assert dict(zip(frame["method"], frame["baseline"], strict=True)) == {"base": "", "ours": "base"}
    assert set(frame["backend"]) == {"toy"}
    assert set(frame["grade"]) == {"test, not a measurement"}


def test_rows_are_in_plan_order(frame):
    cases = frame.drop_duplicates(["method", "case"])
    assert list(zip(cases["method"], cases["case"], strict=True)) == [
        (method, case) for method in ("base", "ours") for case in ("a-x", "a-y", "b-x")
    ]


def test_only_values_of_frames_have_a_frame_number(frame):
    clip = frame[(frame["method"] == "base") & (frame["case"] == "a-x") & (frame["metric"] == "up/1")]
    assert list(clip["frame"]) == [0, 1, 2, 3]
    assert list(clip["value"]) == [1.0, 2.0, 3.0, 6.0]
    assert frame[frame["case"] == "a-y"]["frame"].isna().all()


def test_a_value_is_missing_exactly_where_the_status_says_so(frame):
    assert (frame["value"].isna() == (frame["status"] != "ok")).all()
    failed = frame[(frame["method"] == "ours") & (frame["case"] == "a-y")]
    assert list(failed["status"]) == ["crash", "crash"]
    assert set(failed["reason"]) == {"why a-y"}


def test_a_method_that_measures_nothing_is_stamped_where_it_is_named(crafted):
    run = load_run(crafted.folder).model_copy(update={"method_grades": {"ours": "random weights, not a measurement"}})
    store = Store(crafted.folder)
    with store.writing():
        store.write_json("run.json", run.model_dump(mode="json"))
    text = means_table(summarise(tidy(crafted.folder), run), "tiny")
    assert "| ours (random weights, not a measurement) |" in text
    assert "| base |" in text


def test_means_are_over_cases_of_means_over_frames(table):
    own = table.set_index(["method", "metric"])
    assert own["mean"]["base", "up/1"] == pytest.approx((3.0 + 10.0 + 0.0) / 3)
    assert own["mean"]["base", "down/1"] == pytest.approx((5.0 + 1000.25 + 0.0) / 3)
    assert own["mean"]["ours", "up/1"] == pytest.approx((6.0 + 1.5) / 2)
    assert own["mean"]["ours", "down/1"] == pytest.approx(0.0)


def test_coverage_counts_what_the_means_leave_out(table):
    own = table.set_index(["method", "metric"])
    assert own["coverage"]["base", "up/1"] == 1.0
    assert own["coverage"]["ours", "up/1"] == pytest.approx((2 / 4 + 0 + 1) / 3)
    assert own["coverage"]["ours", "down/1"] == pytest.approx((0 + 0 + 1) / 3)
    assert dict(own["n"]["ours"]) == {"up/1": 2, "down/1": 1}
    assert set(own["cases"]) == {3}
    assert (
        coverage_warning(low_coverage(table))
        == "Coverage is under 95% for ours: frames or cases are missing from their means."
    )
    assert coverage_warning(low_coverage(table[table["method"] == "base"])) == ""


def test_the_means_table(table):
    stamp = "(test, not a measurement)"
    assert means_table(table, "tiny").splitlines() == [
        f"| method | up/1 ↑ {stamp} | down/1 ↓ {stamp} | n |",
        "| --- | ---: | ---: | ---: |",
        "| base | 4.333 | 335.083 | 3 |",
        "| ours | 3.750 (50.0%) | 0.000 (33.3%) | 1/3 |",
    ]


def test_the_csv_reads_back_with_nine_digits(table, tmp_path):
    (tmp_path / "table.csv").write_text(csv_text(table))
    again = pd.read_csv(tmp_path / "table.csv")
    assert list(again.columns) == list(table.columns)
    assert np.allclose(again["mean"], table["mean"], rtol=1e-8)
    assert again["higher_is_better"].tolist() == [True, False, True, False]
    expected = 'tiny,base,up/1,u,True,4.33333333,1,3,3,toy,"test, not a measurement",real,competitor,True'
    assert csv_text(table).splitlines()[1] == expected


def test_missing_values_are_counted_by_status_and_reason(crafted, frame):
    bad = failures(frame, crafted.folder)
    assert bad.to_dict("records") == [
        {
            "suite": "tiny",
            "method": "ours",
            "status": "no_face",
            "cases": 1,
            "values": 6,
            "reason": "no face in a frame of the output, or of what it is compared with",
            "example": "a-x",
            "log": "",
        },
        {
            "suite": "tiny",
            "method": "ours",
            "status": "crash",
            "cases": 1,
            "values": 2,
            "reason": "why a-y",
            "example": "a-y",
            "log": "",
        },
    ]


def test_crashes_of_three_kinds_are_three_rows_with_their_logs(perform):
    methods = [f"bad:how={how},only=i0__d{index},as={how}" for index, how in enumerate(("raise", "exit", "face"))]
    methods += ["bad:how=raise,as=always"]
    session, _ = perform(methods=methods)
    folder = session.config.folder
    bad = failures(tidy(folder), folder).set_index("method")
    assert dict(bad["cases"]) == {"raise": 1, "exit": 1, "face": 1, "always": 3}
    assert dict(bad["status"]) == {"raise": "crash", "exit": "crash", "face": "no_face", "always": "crash"}
    assert bad["reason"]["face"] == "nobody there"
    assert bad["log"]["face"] == ""
    for method in ("raise", "exit", "always"):
        assert method in bad["log"][method]
        text = (folder / bad["log"][method]).read_text()
        assert bad["reason"][method].partition(":")[0] in text


def test_one_method_that_fails_in_several_ways_has_a_row_for_each(crafted):
    for case, reason in (("c-x", "one"), ("c-y", "two"), ("c-z", "two")):
        crafted.case("ours", case, None, "crash", reason=reason)
    crafted.write()
    bad = failures(tidy(crafted.folder), crafted.folder)
    crashes = bad[bad["status"] == "crash"]
    assert dict(zip(crashes["reason"], crashes["cases"], strict=True)) == {"why a-y": 1, "one": 1, "two": 2}


def test_cells_cannot_break_out_of_a_table():
    assert markdown(["a", "b"], [["x|y", "z"]]).splitlines()[2] == "| x\\|y | z |"


def test_what_was_not_done_yet_is_missing_and_not_dropped(crafted):
    crafted.case("late", "a-x", None, "")
    crafted.case("late", "a-y", {"up": [1.0]})
    crafted.write()
    frame = tidy(crafted.folder)
    late = frame[frame["method"] == "late"]
    assert list(zip(late["case"], late["metric"], late["status"], late["reason"], strict=True)) == [
        ("a-x", "up/1", "missing", "not done yet"),
        ("a-x", "down/1", "missing", "not done yet"),
        ("a-y", "up/1", "ok", ""),
        ("a-y", "down/1", "missing", "not scored yet"),
    ]
    own = summarise(frame, load_run(crafted.folder)).set_index(["method", "metric"])
    assert own["coverage"]["late", "up/1"] == 0.5
    assert math.isnan(own["mean"]["late", "down/1"])


def test_parquet_holds_the_same_frame(crafted, frame):
    store_frame(crafted.folder, frame)
    pd.testing.assert_frame_equal(pd.read_parquet(crafted.folder / "records.parquet"), frame, check_dtype=False)


def test_costs_add_up_by_stage_and_method(crafted):
    store = Store(crafted.folder)
    store.load()
    costs = cost(store).set_index(["stage", "method"])
    assert dict(costs["records"]) == {
        ("generate", "base"): 3,
        ("generate", "ours"): 3,
        ("score", "base"): 6,
        ("score", "ours"): 4,
    }
    assert costs["seconds"]["generate", "base"] == 6.0
    assert costs["seconds"]["score", "ours"] == 2.0
    assert costs["face_model_calls"]["generate", "ours"] == 9
    assert costs["peak_bytes"]["score", "base"] == 20


def test_phases_are_parts_of_their_stage(crafted):
    store = Store(crafted.folder)
    store.load()
    made = [record for (stage, _), record in store.records.items() if stage == "generate"]
    for record, rate, peak in zip(made[:2], (8.0, 4.0), (70, 90), strict=True):
        record["detail"] = {"seconds_tune": 1.25, "seconds_sample": 0.5, "tuned_steps": 9, "ldm_trace": "[1]"}
        record["detail"] |= {"per_second_tune": rate, "peak_bytes_tune": peak}
    costs = cost(store).set_index(["stage", "method", "phase"])
    assert costs.loc[("generate", "base", "tune"), "seconds"] == 2.5
    assert costs.loc[("generate", "base", "sample"), "records"] == 2
    assert costs.loc[("generate", "base", ""), "seconds"] == 6.0
    assert costs.loc[("generate", "base", "tune"), "peak_bytes"] == 90
    assert costs.loc[("generate", "base", "tune"), "steps_per_second"] == 6.0
    assert costs["peak_bytes"].isna().sum() == 1
    assert costs["steps_per_second"].notna().sum() == 1
    assert len(costs) == 6


def test_the_terminal_shows_phases_below_their_stage(crafted, capsys):
    from rich.console import Console

    from portraitbench.reports.render.terminal import print_cost

    store = Store(crafted.folder)
    store.load()
    next(iter(store.records.values()))["detail"] = {"seconds_tune": 1.25}
    print_cost(Console(width=100, force_terminal=False), cost(store))
    words = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["generate", "base", "3", "6.0", "s", "2.0", "s", "10", "B"] in words
    assert ["tune", "base", "1", "1.2", "s", "1.2", "s"] in words


def test_a_run_of_which_nothing_is_measured_has_empty_tables(blank):
    """Face models may give nothing that a benchmark's metrics read; the outputs are made all the same."""
    item = PlanItem("tiny", "a-x", "a", "x", "base", "", "key", ())
    blank.write()
    Store(blank.folder).write_plan(plan_lines([item]))
    model = build_report(blank.folder)
    for table in (model.summary, model.comparison, model.common, model.failures, model.details):
        assert table.empty
    assert list(model.common.columns) == ["suite", "method", "metric", "mean", "n", "cases"]
    assert page(model).startswith("# run\n\n**No verdict: ")
