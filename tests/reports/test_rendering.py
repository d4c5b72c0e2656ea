"""One number, one text: terminal and Markdown print the same; and the terminal cuts nothing at any width."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from portraitbench.harness.run_file import load_run
from portraitbench.harness.store import Store
from portraitbench.reports.model import build_report
from portraitbench.reports.render.markdown import page, suite_tables
from portraitbench.reports.render.numbers import delta_text, interval_text, mean_text
from portraitbench.reports.render.terminal import print_closing, print_cost, print_results
from portraitbench.reports.render.verdict import verdict

LONG = "a-generator-with-a-long-name+a-tuner-with-a-longer-one.and-its-setting=0.125"


def tell(run, **fields):
    """Write other fields into a crafted run's ``run.json``."""
    changed = load_run(run.folder).model_copy(update=fields)
    Store(run.folder).write_json("run.json", changed.model_dump(mode="json"))


@pytest.fixture
def five(blank):
    """Three identities, four drivings: base, a control, a method that is lower, and one with a long name that fails."""
    rng = np.random.default_rng(5)
    for case in (f"{identity}-{driving}" for identity in "abc" for driving in "wxyz"):
        base = rng.normal(5, 1)
        for method, shift in {"base": 0, "floor": -4.5, "ours": -2, LONG: 1e-3}.items():
            failed = (method, case) == (LONG, "b-y")
            value = base + shift + rng.normal(0, 0.2)
            values = None if failed else {"up": [value * 1e3], "down": [value]}
            blank.case(method, case, values, "crash" if failed else "ok")
    blank.write()
    left_out = {"tiny": {"emo_sim/1": "needs emotion, which none of the run's face backends gives"}}
    tell(blank, method_roles={"floor": "control"}, primary={"tiny": ["down/1"]}, left_out=left_out)
    return blank


def printed(model, width: int, tmp_path, **options) -> list[str]:
    with (tmp_path / "out.txt").open("w+") as file:
        console = Console(file=file, width=width, highlight=False, markup=False)
        print_results(console, model, **options)
        print_cost(console, model.cost)
        print_closing(console, model, tmp_path / "report" / "index.md")
        file.seek(0)
        return file.read().splitlines()


def test_the_same_number_is_the_same_text_everywhere(five, tmp_path):
    model = build_report(five.folder)
    terminal, markdown = "\n".join(printed(model, 80, tmp_path, all_metrics=True)), page(model)
    texts = [mean_text(row) for _, row in model.summary.iterrows()]
    texts += [text(row) for text in (delta_text, interval_text) for _, row in model.comparison.iterrows()]
    assert len(set(texts)) > 15
    for text in texts:
        assert re.search(rf"(?<![\d.+-]){re.escape(text)}(?!\d)", terminal), text
        assert text in markdown, text
    numbers = set(re.findall(r"[+-]?\d+\.\d{3,}", terminal))
    assert numbers <= set(re.findall(r"[+-]?\d+\.\d{3,}", markdown))


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_nothing_is_cut_at_any_width(five, tmp_path, width):
    model = build_report(five.folder)
    lines = printed(model, width, tmp_path, all_metrics=True)
    text = "\n".join(lines)
    assert "…" not in text
    for name in (LONG, "down/1 ↓  [u]", "up/1 ↑  [u]", "floor (reference)", "report/index.md"):
        assert any(name in line for line in lines), name
    for _, row in model.comparison.iterrows():
        assert any(delta_text(row) in line and interval_text(row) in line for line in lines)


@pytest.mark.parametrize("width", [80, 100])
def test_tables_fit_where_names_are_short(five, tmp_path, width):
    model = build_report(five.folder)
    table = [line for line in printed(model, width, tmp_path) if re.search(r"\[[+-]\d", line)]
    assert len(table) == 2
    assert max(map(len, table)) <= width


def test_only_primary_metrics_are_printed_unless_all_are_asked_for(five, tmp_path):
    model = build_report(five.folder)
    few, all_of_them = ("\n".join(printed(model, 80, tmp_path, all_metrics=everything)) for everything in (False, True))
    assert "down/1" in few
    assert "up/1" not in few
    assert "1 exploratory metrics: --all-metrics" in few
    assert "up/1" in all_of_them
    assert "EMO-SIM" not in few  # not a column of cross-image
    assert "left out: emo_sim/1: needs emotion" in all_of_them


def test_results_come_before_costs_and_the_verdict_stands_at_the_end(five, tmp_path):
    lines = printed(build_report(five.folder), 80, tmp_path)
    assert lines.index("Time and memory") > max(index for index, line in enumerate(lines) if "win " in line)
    assert lines[-2].startswith("report: ")
    assert lines[-1].startswith(
        "Verdict: ours against base on tiny (test, not a measurement): better, clear after correction, in down; "
    )


def test_controls_are_reference_lines_and_never_compared(five):
    model = build_report(five.folder)
    assert set(model.comparison["method"]) == {"ours", LONG}
    assert list(dict.fromkeys(model.summary["method"])) == ["base", "ours", LONG, "floor"]
    assert "| floor (reference) |" in suite_tables(model, "tiny")


def test_verdicts_name_every_outcome(five):
    model = build_report(five.folder)
    table = model.comparison.assign(method="ours")
    for word, sentence in {
        "worse": "worse, clear after correction, in down",
        "unclear": "no clear difference in down",
        "too few": "too few clusters for a verdict in down",
    }.items():
        own = table.iloc[:2].assign(verdict=word)
        assert sentence in verdict(replace(model, comparison=own))
    assert "no primary metric was measured" in verdict(replace(model, comparison=table.assign(primary=False)))
    assert verdict(replace(model, comparison=table.iloc[:0])).startswith("No verdict: ")


def test_suites_too_small_for_a_verdict_are_named_together_after_the_others(five):
    model = build_report(five.folder)
    own = model.comparison[model.comparison["method"] == "ours"]
    small = [own.assign(suite=name, verdict="too few") for name in ("clips", "selfies")]
    text = verdict(replace(model, comparison=pd.concat([small[0], own, small[1]])))
    assert text.startswith("Verdict: ours against base on tiny (")
    assert text.endswith("; too few clusters for a verdict on clips, selfies.")
    assert text.count("too few") == 1


def test_rows_of_one_outcome_are_one_part_of_the_verdict(five):
    model = build_report(five.folder)
    own = model.comparison[model.comparison["method"] == "ours"]
    names = ["ours", "grad=1+id=0", "grad=1+id=1", "grad=2+id=0", "grad=2+id=1"]
    alike = [own.assign(method=name) for name in names]
    other = own.assign(method="last", verdict="unclear")
    few = verdict(replace(model, comparison=pd.concat([*alike[:2], other])))
    assert few.startswith("Verdict: ours and grad=1+id=0 against base on tiny (")
    assert "; last against base on tiny (" in few
    many = verdict(replace(model, comparison=pd.concat([*alike, other])))
    assert many.startswith("Verdict: ours and 4 more rows against base on tiny (")
    assert many.count("against base") == 2


def test_what_stands_behind_the_intervals_is_told_everywhere(five, tmp_path):
    model = build_report(five.folder)
    note = "two-way, 3 x 4 clusters: t with 2 degrees of freedom, variances times 3/2, 4/3, 12/11"
    assert f"Intervals: {note}." in suite_tables(model, "tiny")
    assert f"  intervals: {note}" in printed(model, 80, tmp_path)


def test_two_identities_have_an_interval_and_no_verdict(blank):
    """One degree of freedom: differences that are nearly alike have a p below .05 and prove nothing."""
    for case in (f"{identity}-{driving}" for identity in "ab" for driving in "wxyz"):
        value = 0.01 if case == "a-w" else 0.0
        blank.case("base", case, {"up": [1.0], "down": [1.0]})
        blank.case("ours", case, {"up": [value], "down": [value]})
    blank.write()
    model = build_report(blank.folder)
    row = model.comparison.iloc[0]
    assert (row["df"], row["verdict"], row["p"] < 0.05, row["high"] < 0) == (1, "too few", True, True)
    tables = suite_tables(model, "tiny")
    assert "**" not in tables
    assert "t with 1 degree of freedom; a verdict needs 2, variances times 2/1, 4/3, 8/7" in tables
    assert "too few clusters for a verdict" in verdict(model)


def test_a_primary_metric_that_was_not_measured_is_missed_by_name(five, tmp_path):
    five.write("cross-video")
    left_out = {"tiny": {"emo_sim/1": "needs emotion, which none of the run's face backends gives"}}
    tell(five, primary={"tiny": ["down/1"]}, left_out=left_out)
    model = build_report(five.folder)
    gap = "EMO-SIM was not measured: emo_sim needs emotion, which none of the run's face backends gives"
    assert f"\n{gap}.\n" in suite_tables(model, "tiny")
    assert f"  {gap}" in printed(model, 80, tmp_path)


def test_cases_common_to_all_are_averaged_where_coverage_differs(five, tmp_path):
    model = build_report(five.folder)
    frame = model.frame
    whole = frame[(frame["metric"] == "down/1") & (frame["case"] != "b-y")]
    common = model.common.set_index(["metric", "method"])
    assert set(common.index.get_level_values("method")) == {"base", "ours", LONG}
    for method in ("base", "ours", LONG):
        expected = whole.loc[whole["method"] == method, "value"].mean()
        assert common["mean"]["down/1", method] == pytest.approx(expected)
    assert set(common["n"]) == {11}
    assert "### Over the cases that all methods have" in suite_tables(model, "tiny")
    assert any("the 11 of 12 cases that all have" in line for line in printed(model, 120, tmp_path))


def test_a_method_that_always_fails_empties_no_common_mean(five):
    """What the others have in common is not nothing because one has nothing."""
    for case in (f"{identity}-{driving}" for identity in "abc" for driving in "wxyz"):
        five.case("dead", case, None, "crash")
    five.write()
    tell(five, method_roles={"floor": "control"})
    model = build_report(five.folder)
    assert set(model.common["method"]) == {"base", "ours", LONG}
    assert set(model.common["n"]) == {11}
    assert model.common["mean"].notna().all()
