"""A comparison with the baseline: of runs written by hand, and through the command."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from portraitbench.harness.run_file import load_run
from portraitbench.reports.compare import COLUMNS, compare
from portraitbench.reports.records_frame import tidy
from portraitbench.reports.render.markdown import comparison_table
from portraitbench.reports.render.numbers import delta_text, interval_text
from portraitbench.reports.report import write_report
from portraitbench.reports.statistics import two_way

DIFFUSION = Path(__file__).parents[1] / "toy_diffusion.py"
TOYS = Path(__file__).parents[1] / "toys.py"
STAMP = "(test, not a measurement)"
HEADERS = "| method | metric | delta [95 % interval] | verdict | win rate | pairs | coverage | worst case |"


def compared(folder, **options) -> pd.DataFrame:
    return compare(tidy(folder), load_run(folder), **options)


@pytest.fixture
def hand(crafted):
    """The comparison of the run in ``conftest``, by metric."""
    return compared(crafted.folder).set_index("metric")


@pytest.fixture
def crossed(blank):
    """Three identities and four drivings, one value per case, by method: base, ideal (one case fails) and ours."""
    rng = np.random.default_rng(3)
    cases = [f"{identity}-{driving}" for identity in "abc" for driving in "wxyz"]
    base = rng.normal(5, 1, 12)
    values = {"base": base, "ideal": base - 4 + rng.normal(0, 0.1, 12), "ours": base - 2 + rng.normal(0, 0.5, 12)}
    for method, own in values.items():
        for case, value in zip(cases, own, strict=True):
            failed = (method, case) == ("ideal", "b-y")
            blank.case(method, case, None if failed else {"up": [value], "down": [value]}, "crash" if failed else "ok")
    blank.write()
    return blank, pd.DataFrame(values, index=cases)


def test_deltas_are_over_the_cases_that_both_have(hand):
    """Up: 6 - 3 and 1.5 - 0, the third case failed; down: 0 - 0, one clip has no face and one case failed."""
    assert list(hand["delta"]) == [pytest.approx(2.25), 0.0]
    assert list(hand["pairs"]) == [2, 1]
    assert list(hand["cases"]) == [3, 3]
    assert list(hand["win_rate"]) == [1.0, 0.5]
    assert list(hand["coverage"]) == pytest.approx([1.5 / 3, 1 / 3])
    assert list(hand["baseline_coverage"]) == [1.0, 1.0]


def test_too_few_clusters_have_no_verdict_and_say_why(hand):
    assert list(hand["interval"]) == [
        "no interval: all cases are of one driving clip",
        "no interval: all cases are of one identity",
    ]
    assert hand[["low", "high", "p", "p_holm"]].isna().all(axis=None)
    assert list(hand["verdict"]) == ["too few", "too few"]
    assert list(hand["df"]) == [0, 0]


def test_the_worst_case_puts_the_worst_of_the_table_where_values_are_missing(hand):
    """Worst up is 0: ours are 3 (half of 6), 0, 1.5 against 3, 10, 0. Worst down is 1000.25: ours are that twice."""
    worst = two_way([0.0, -10.0, 1.5], "aab", "xyx")
    up, down = hand.loc["up/1"], hand.loc["down/1"]
    assert (up["worst_delta"], up["worst_low"], up["worst_high"]) == pytest.approx((worst.mean, worst.low, worst.high))
    assert up["worst_delta"] == pytest.approx(-8.5 / 3)
    assert down["worst_delta"] == pytest.approx((1000.25 - 5) / 3)


def test_no_worst_case_where_coverage_is_equal(crossed):
    run, _ = crossed
    rows = compared(run.folder).set_index(["method", "metric"])
    assert rows["worst_delta"]["ours"].isna().all()
    assert rows["worst_delta"]["ideal", "down/1"] == pytest.approx(rows["delta"]["ideal", "down/1"], abs=1)
    assert rows["worst_delta"]["ideal", "down/1"] > rows["delta"]["ideal", "down/1"]


def test_a_crossed_suite_is_clustered_both_ways(crossed):
    run, values = crossed
    deltas = values["ours"] - values["base"]
    grid = (deltas - deltas.mean()).to_numpy().reshape(3, 4)
    # One-way variances of a full grid: of the means of its rows, of its columns, and of its cells.
    variance = grid.mean(1).var(ddof=1) / 3 + grid.mean(0).var(ddof=1) / 4 - grid.var(ddof=1) / 12
    assert variance > 0
    low, high = stats.t(2, loc=deltas.mean(), scale=math.sqrt(variance)).interval(0.95)
    own = compared(run.folder).set_index(["method", "metric"]).loc[("ours", "down/1")]
    assert (own["delta"], own["low"], own["high"]) == pytest.approx((deltas.mean(), low, high))
    assert own["interval"] == "two-way, 3 x 4 clusters"


def test_a_self_suite_counts_every_clip(crossed):
    run, values = crossed
    run.write("self-video")
    expected = stats.ttest_1samp(values["ours"] - values["base"], 0)
    interval = expected.confidence_interval(0.95)
    own = compared(run.folder).set_index(["method", "metric"]).loc[("ours", "down/1")]
    assert (own["low"], own["high"], own["p"]) == pytest.approx((interval.low, interval.high, expected.pvalue))


def test_verdicts_follow_the_direction_and_the_corrected_p(crossed):
    """Both metrics hold the same numbers, so both p values are doubled; ours are lower."""
    run, _ = crossed
    own = compared(run.folder).set_index(["method", "metric"]).loc["ours"]
    assert list(own["p_holm"]) == pytest.approx(list(2 * own["p"]))
    assert dict(own["verdict"]) == {"up/1": "worse", "down/1": "better"}
    assert dict(own["win_rate"]) == {"up/1": 0.0, "down/1": 1.0}


def test_what_holm_takes_back_is_unclear_and_not_bold(blank):
    """Four clips whose deltas have p = 0.035; as the same numbers stand under two metrics, the corrected p is 0.07."""
    spread = np.array([-1.0, 1.0, -1.0, 1.0])
    deltas = spread + stats.t(3).isf(0.035 / 2) * spread.std(ddof=1) / 2
    for case, delta in zip(("a", "b", "c", "d"), deltas, strict=True):
        blank.case("base", case, {"up": [0.0], "down": [0.0]})
        blank.case("ours", case, {"up": [delta], "down": [delta]})
    blank.write("self-video")
    table = compared(blank.folder)
    assert list(table["p"]) == pytest.approx([0.035, 0.035])
    assert list(table["p_holm"]) == pytest.approx([0.07, 0.07])
    assert (table["low"] > 0).all()
    assert list(table["verdict"]) == ["unclear", "unclear"]
    assert "**" not in comparison_table(table, "tiny")


def test_holm_runs_over_primary_metrics_alone(blank):
    """The same four clips: with one primary metric p stays 0.035, and the other metric is exploratory however small."""
    spread = np.array([-1.0, 1.0, -1.0, 1.0])
    deltas = spread + stats.t(3).isf(0.035 / 2) * spread.std(ddof=1) / 2
    for case, delta in zip(("a", "b", "c", "d"), deltas, strict=True):
        blank.case("base", case, {"up": [0.0], "down": [0.0]})
        blank.case("ours", case, {"up": [delta], "down": [10 + delta]})
    blank.write("self-video")
    run = load_run(blank.folder).model_copy(update={"primary": {"tiny": ["up/1"]}})
    table = compare(tidy(blank.folder), run).set_index("metric")
    assert table["p"]["down/1"] < table["p"]["up/1"]
    assert table["p_holm"]["up/1"] == pytest.approx(0.035)
    assert math.isnan(table["p_holm"]["down/1"])
    assert dict(table["verdict"]) == {"up/1": "better", "down/1": "exploratory"}
    lines = comparison_table(compare(tidy(blank.folder), run), "tiny").splitlines()
    assert [line.count("**") for line in lines[4:]] == [2, 0]


def test_degrees_of_freedom_and_small_sample_factors_are_told(crossed):
    run, _ = crossed
    own = compared(run.folder).set_index(["method", "metric"]).loc[("ours", "down/1")]
    assert (own["df"], own["scaling"]) == (2, "3/2, 4/3, 12/11")
    run.write("self-video")
    own = compared(run.folder).set_index(["method", "metric"]).loc[("ours", "down/1")]
    assert (own["df"], own["scaling"]) == (11, "12/11")


def test_the_gap_is_closed_over_the_cases_that_all_three_have(crossed):
    run, values = crossed
    base, ideal, ours = (values.drop("b-y")[name].mean() for name in ("base", "ideal", "ours"))
    rows = compared(run.folder).set_index(["method", "metric"])
    assert rows["gap_closed"]["ours", "down/1"] == pytest.approx((base - ours) / (base - ideal))
    assert rows["gap_closed"]["ideal", "down/1"] == 1.0
    assert math.isnan(rows["gap_closed"]["ours", "up/1"])  # the ideal output is no better there
    assert compared(run.folder, ideal="truth")["gap_closed"].isna().all()


def test_rows_are_in_plan_order_and_do_not_depend_on_other_methods(crossed):
    run, values = crossed
    before = compared(run.folder)
    assert list(before.columns) == COLUMNS
    assert list(zip(before["method"], before["metric"], strict=True)) == [
        (method, metric) for method in ("ideal", "ours") for metric in ("up/1", "down/1")
    ]
    for case, value in values["base"].items():
        run.case("more", case, {"up": [value], "down": [value]})
    run.write()
    pd.testing.assert_frame_equal(compared(run.folder).iloc[:4], before)


def test_a_run_without_a_baseline_compares_nothing(blank):
    blank.case("base", "a-x", {"up": [1.0], "down": [1.0]})
    blank.write()
    nothing = compared(blank.folder)
    assert list(nothing.columns) == COLUMNS
    assert nothing.empty
    assert comparison_table(nothing, "tiny") == ""


def test_an_unfinished_method_has_a_row(blank):
    for case in ("a-x", "a-y", "b-x"):
        blank.case("base", case, {"up": [1.0], "down": [1.0]})
        blank.case("late", case, None, "")
    blank.write()
    late = compared(blank.folder)
    assert list(late["pairs"]) == [0, 0]
    assert late[["delta", "win_rate", "p"]].isna().all(axis=None)
    assert [delta_text(row) for _, row in late.iterrows()] == ["-", "-"]
    assert set(late["interval"]) == {"no interval: no case has both values"}


def test_the_markdown_section_is_bold_where_it_is_clear(crossed):
    run, _ = crossed
    table = compared(run.folder)
    lines = comparison_table(table, "tiny").splitlines()
    assert lines[0] == "### vs. base"
    headers = HEADERS.replace("pairs |", "pairs | df |") + " gap closed |"
    assert lines[2] == headers
    own = table[(table["method"] == "ours") & (table["metric"] == "down/1")].iloc[0]
    text = f"{own['delta']:+.3f} [{own['low']:+.3f}, {own['high']:+.3f}]"
    gap = f"{own['gap_closed']:.0%}"
    assert (
        lines[-1] == f"| ours | down/1 ↓ {STAMP} | **{text}** | better | 100% | 12 | 2 | 100.0%, 100.0% | - | {gap} |"
    )
    assert "| 11/12 | 2 | 100.0%, 91.7% | " in lines[4]


def test_the_markdown_section_without_intervals(crafted):
    lines = comparison_table(compared(crafted.folder), "tiny").splitlines()
    assert lines[2] == HEADERS
    delta = "+2.250 (no interval: all cases are of one driving clip)"
    assert lines[4].startswith(f"| ours | up/1 ↑ {STAMP} | {delta} | too few | 100% | 2/3 | 100.0%, 50.0% |")


@pytest.mark.parametrize(
    ("delta", "low", "high", "text"),
    [
        (0.5, -1.25, 2.25, "+0.500 [-1.250, +2.250]"),
        (-0.00123, -0.00246, 0.0, "-0.00123 [-0.00246, +0.00000]"),
        (1500.4, -2.0, 3002.8, "+1500 [-2, +3003]"),
        (0.0, 0.0, 0.0, "+0.000 [+0.000, +0.000]"),
    ],
)
def test_small_deltas_keep_their_digits(delta, low, high, text):
    row = pd.Series({"delta": delta, "low": low, "high": high, "interval": ""})
    assert f"{delta_text(row)} {interval_text(row)}" == text


@pytest.fixture
def tuned_run(bench, make_suite, tmp_path, monkeypatch):
    """A tuner, the driving clips as a control and a method that fails once, on 2 x 3 cases; run by the command."""
    monkeypatch.setenv("COLUMNS", "120")
    suite = make_suite(tmp_path / "suite", identities=2, drivings=3)
    where = [
        "--suite",
        suite,
        "--faces",
        "toy",
        "--name",
        "r",
        "--out",
        tmp_path / "runs",
        "--cache",
        tmp_path / "cache",
    ]
    plugins = ["--plugin", DIFFUSION, "--plugin", TOYS, "--metric", "aed_lmk_px512", "--metric", "id_sim"]
    methods = ["-m", "toy-tuner", "-m", "copy-driving:as=ideal", "-m", "bad:how=raise,only=i0__d1"]
    done = bench("run", *where, *plugins, "--baseline", "toy-diffusion", *methods)
    assert done.code == 0, done.err
    return tmp_path / "runs" / "r", done, lambda *more: bench("run", *where, *plugins, *more)


def test_the_command_compares_a_tuner_with_its_baseline(tuned_run):
    folder, done, _ = tuned_run
    assert "tiny: vs. toy-diffusion" in done.out
    assert done.out.index("tiny: vs. toy-diffusion") < done.out.index("face models: test, not a measurement")
    table = pd.read_csv(folder / "report" / "tiny.compare.csv").set_index(["method", "metric"])
    assert list(table.index.unique("method")) == ["toy-diffusion+toy-tuner", "bad"]

    # From the records on: means over cases, by a way of their own.
    frame = pd.read_parquet(folder / "records.parquet")
    lines = {(row.method, row.metric, row.case): row.value for row in frame.itertuples() if row.status == "ok"}
    for (method, metric), row in table.iterrows():
        own = {case: value for (name, what, case), value in lines.items() if (name, what) == (method, metric)}
        deltas = [value - lines["toy-diffusion", metric, case] for case, value in own.items()]
        assert row["delta"] == pytest.approx(np.mean(deltas), rel=1e-6, abs=1e-12)
        assert (row["pairs"], row["cases"]) == (len(own), 6)
        assert f"{row['delta']:+.3f}"[:5] in done.out
    assert dict(table["pairs"].xs("aed_lmk_px512/1", level="metric")) == {
        "toy-diffusion+toy-tuner": 6,
        "bad": 5,
    }
    # Two identities leave one degree of freedom: an interval, and nothing is bold.
    assert set(table["df"]) == {1}
    assert set(table["verdict"]) == {"too few"}
    assert table["low"].notna().all()
    assert "**+" not in (folder / "report" / "index.md").read_text()
    assert "too few clusters for a verdict in" in done.out.splitlines()[-1]
    assert "ideal (reference)" in done.out
    assert table["gap_closed"]["toy-diffusion+toy-tuner", "aed_lmk_px512/1"] < 0
    assert table["worst_delta"]["bad"].notna().all()


def test_the_report_holds_the_section_and_is_a_function_of_the_results(tuned_run, bench):
    folder, _, _ = tuned_run
    first = {path.name: path.read_bytes() for path in (folder / "report").iterdir() if path.is_file()}
    assert set(first) == {"index.md", "tiny.md", "tiny.csv", "tiny.compare.csv", "tiny.png", "cost.csv", "index.html"}
    page, suite = first["index.md"].decode(), first["tiny.md"].decode()
    assert suite.count("### vs. toy-diffusion") == 1
    assert suite in page
    assert page.count("Comparisons: a delta is method minus baseline") == 1
    again = bench("report", folder)
    assert again.code == 0
    assert "tiny: vs. toy-diffusion" in again.out
    assert {path.name: path.read_bytes() for path in (folder / "report").iterdir() if path.is_file()} == first


def test_without_a_baseline_no_comparison_is_left(tuned_run):
    folder, _, run = tuned_run
    done = run("-m", "copy-driving")
    assert done.code == 0, done.err
    assert "vs." not in done.out
    assert not (folder / "report" / "tiny.compare.csv").exists()
    assert "vs." not in (folder / "report" / "index.md").read_text()
    assert write_report(folder).comparison.empty
