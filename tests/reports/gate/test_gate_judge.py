"""What the gate says of planted regressions of each kind, and that it is silent where nothing but noise differs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from portraitbench.core.errors import ConfigError, Status
from portraitbench.reports.gate.judge import judge
from portraitbench.reports.gate.rules import DEFAULTS, parse_rule
from portraitbench.reports.gate.verdict import Outcome

from .conftest import changed, noisy_run


def gate(before, after, *rules):
    return judge(before, after, [parse_rule(rule) for rule in rules or DEFAULTS])


def worse(metric, by):
    return lambda row: {"values": row.values | {metric: row.values[metric] + by}}


def test_twenty_runs_that_differ_by_noise_are_fine(before):
    rules = [*DEFAULTS, "loss(*)<=2% sig", "loss(*)<=2%", "time<=1.3x", "memory<=1.1x"]
    for seed in range(1, 21):
        report = gate(before, noisy_run(seed, noise=0.02), *rules)
        assert report.exit_code == 0, [check for check in report.checks if check.outcome is not Outcome.FINE]


def test_a_metric_that_gets_worse_is_caught_in_its_direction_alone(before, after):
    for metric, by in (("aed/1", 0.5), ("sim/1", -0.03)):
        report = gate(before, changed(after, worse(metric, by)))
        assert (report.exit_code, report.outcome) == (1, Outcome.REGRESSED)
        bad = [(check.method, check.subject) for check in report.checks if check.outcome is Outcome.REGRESSED]
        assert bad == [("ours", metric)]
        assert gate(before, changed(after, worse(metric, -by))).exit_code == 0


def test_a_metric_of_one_region_is_caught_where_a_rule_names_it(before, after):
    planted = changed(after, worse("aed_mouth/1", 0.5))
    assert gate(before, planted).exit_code == 0
    report = gate(before, planted, "aed_*<=+2% sig")
    assert [check.subject for check in report.checks if check.outcome is Outcome.REGRESSED] == ["aed_mouth/1"]


def test_the_loss_and_its_interval_are_those_of_paired_differences(before, after):
    planted = changed(after, worse("aed/1", 0.5))
    check = next(check for check in gate(before, planted).checks if (check.method, check.subject) == ("ours", "aed/1"))
    both = zip(before.rows, planted.rows, strict=True)
    losses = np.array([new.values["aed/1"] - old.values["aed/1"] for old, new in both if old.method == "ours"])
    cells = losses.reshape(5, 8) - losses.mean()
    parts = [5 / 4 * (cells.sum(1) ** 2).sum(), 8 / 7 * (cells.sum(0) ** 2).sum(), 40 / 39 * (cells**2).sum()]
    error = math.sqrt((parts[0] + parts[1] - parts[2] if parts[0] + parts[1] > parts[2] else max(parts)) / 40**2)
    assert check.loss == pytest.approx(losses.mean())
    assert check.estimate.low == pytest.approx(losses.mean() - stats.t.ppf(0.975, 4) * error)
    # Four checks ask for significance: the first step of Holm's correction is a quarter of 5 %.
    seen = (stats.t.ppf(1 - 0.05 / 4 / 2, 4) + stats.t.ppf(0.8, 4)) * error
    assert check.smallest == pytest.approx(seen)
    assert [case.case for case in check.worst] == [f"i{index // 8}__d{index % 8}" for index in np.argsort(-losses)[:3]]


def test_a_margin_is_needed_as_well_as_significance(before, after):
    slightly = changed(after, worse("aed/1", 0.1))  # 1 % and significant
    assert gate(before, slightly, "aed<=+2% sig").exit_code == 0
    assert gate(before, slightly, "aed<=+0.5% sig").exit_code == 1


def test_what_could_not_have_been_seen_is_undecided(before):
    loud = noisy_run(5, noise=1.0)
    report = gate(before, loud, "aed<=+0.1% sig for ours")
    check = next(check for check in report.checks if check.subject == "aed/1")
    assert report.exit_code == 3
    assert check.outcome is Outcome.UNDECIDED
    assert check.smallest > check.limit
    assert "take more cases" in check.message


def test_too_few_clusters_are_undecided_unless_no_case_lost_as_much_as_the_limit():
    before, after = (noisy_run(seed, noise=0.02, identities=1, drivings=4) for seed in (0, 1))
    assert gate(before, after, "aed<=+2% sig").exit_code == 0
    report = gate(before, changed(after, worse("aed/1", 0.5)), "aed<=+2% sig")
    assert report.exit_code == 3
    assert "too few clusters" in next(check.message for check in report.checks if check.message)
    assert gate(before, changed(after, worse("aed/1", 0.5)), "aed<=+2%").exit_code == 1


def test_lower_coverage_is_caught_and_may_be_allowed(before, after):
    hidden = lambda row: {"coverage": {"aed/1": 0.5}} if row.case == "i0__d0" else {}  # noqa: E731
    report = gate(before, changed(after, hidden))
    bad = [check for check in report.checks if check.outcome is Outcome.REGRESSED]
    assert [(check.method, check.subject) for check in bad] == [("ours", "coverage of aed/1")]
    assert bad[0].loss == pytest.approx(100 * 0.5 / 40)
    assert [case.case for case in bad[0].worst] == ["i0__d0"]
    assert gate(before, changed(after, hidden), *DEFAULTS, "coverage>=-2%").exit_code == 0
    assert gate(before, changed(after, hidden), *DEFAULTS, "coverage>=-1%").exit_code == 1


def test_a_case_without_any_value_counts_as_not_covered(before, after):
    def gone(row):
        return {"values": row.values | {"aed/1": None}, "coverage": {"aed/1": 0.0}} if row.case == "i0__d0" else {}

    report = gate(before, changed(after, gone))
    assert report.exit_code == 1
    assert {check.pairs for check in report.checks if (check.method, check.subject) == ("ours", "aed/1")} == {39}


def test_time_is_a_ratio_within_each_run(before, after):
    slow_machine = after.model_copy(
        update={"rows": [row.model_copy(update={"seconds": row.seconds * 7}) for row in after.rows]}
    )
    assert gate(before, slow_machine, "time<=1.2x").exit_code == 0
    slower = changed(after, lambda row: {"seconds": row.seconds * 1.5})
    report = gate(before, slower, "time<=1.2x")
    check = next(check for check in report.checks if check.outcome is Outcome.REGRESSED)
    assert (check.method, check.subject) == ("ours", "time vs base")
    assert check.loss == pytest.approx(1.5, rel=0.05)
    fatter = changed(after, lambda row: {"mebibytes": 800})
    assert gate(before, fatter, "memory<=1.2x").exit_code == 1
    assert gate(before, fatter, "memory<=1.2x vs base for ours").exit_code == 1


def test_missing_failed_and_new_cases_are_named(before, after):
    key = ("s", "ours", "i1__d2")
    named = lambda row: (row.suite, row.method, row.case) == key  # noqa: E731
    without = after.model_copy(update={"rows": [row for row in after.rows if not named(row)]})
    report = gate(before, without)
    assert (report.exit_code, [str(note) for note in report.missing]) == (
        3,
        ["s: i1__d2 of ours: missing (not in the run: give it the baseline's suites, methods and cases)"],
    )
    assert [(note.method, note.case) for note in gate(without, after).new] == [("ours", "i1__d2")]
    assert gate(without, after).exit_code == 0
    crash = changed(after, lambda row: {"status": Status.CRASH, "reason": "boom", "values": {}} if named(row) else {})
    report = gate(before, crash)
    assert (report.exit_code, [str(note) for note in report.failed]) == (1, ["s: i1__d2 of ours: crash (boom)"])
    assert gate(crash, after).exit_code == 0
    pending = changed(after, lambda row: {"status": Status.MISSING, "reason": "not scored yet"} if named(row) else {})
    assert gate(before, pending).exit_code == 3


def test_a_regression_that_is_seen_outweighs_cases_that_are_missing(before, after):
    planted = changed(after, worse("aed/1", 0.5))
    rows = [row for row in planted.rows if row.case != "i0__d0"]
    assert gate(before, planted.model_copy(update={"rows": rows})).exit_code == 1


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("seed",), 1, "seed: 0 -> 1"),
        (("device",), "cuda", "device: cpu -> cuda"),
        (("suites", "s"), "xyz", "suites.s: abc -> xyz"),
        (("metrics", "aed", "version"), "2", "metrics.aed.version: 1 -> 2"),
        (("metrics", "aed", "faces"), ["dlib"], "metrics.aed.faces: [toy] -> [dlib]"),
        (("faces", "toy", "weights"), "v", "faces.toy.weights: w -> v"),
        (("methods", "ours", "steps"), 9, "methods.ours.steps: 8 -> 9"),
    ],
)
def test_another_setting_is_not_comparable_and_named(before, after, path, value, said):
    settings = after.model_copy(deep=True).settings
    place = settings
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    report = gate(before, after.model_copy(update={"settings": settings}))
    assert (report.exit_code, report.differences, report.checks) == (2, (said,), ())


def test_suites_metrics_and_methods_of_one_side_are_no_setting_that_differs(before, after):
    settings = after.model_copy(deep=True).settings
    settings["suites"]["other"] = "o"
    settings["methods"]["third"] = {"name": "third"}
    settings["faces"]["more"] = {"version": "9"}
    assert gate(before, after.model_copy(update={"settings": settings})).exit_code == 0


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("aed>=-2%", "lower is better in aed/1: write aed<=+2%"),
        ("sim<=+0.01", "higher is better in sim/1: write sim>=-0.01"),
        ("psnr>=-1", "has no such metric; it has aed/1, aed_mouth/1, sim/1"),
        ("aed<=+2% in t", "fits no method and suite of the baseline, which has base in s, ours in s"),
        ("time<=1.3x vs other", "vs other: s has base, ours"),
        ("time<=1.3x for base", "costs are ratios to another method"),
    ],
)
def test_rules_that_do_not_fit_the_runs_are_one_line(before, after, rule, said):
    with pytest.raises(ConfigError, match=r"^rule '") as told:
        gate(before, after, rule)
    assert said in str(told.value)


def test_a_self_suite_has_intervals_per_clip(before, after):
    alone = {"kinds": {"s": "self-video"}}
    check = gate(before.model_copy(update=alone), after).checks[0]
    assert check.estimate.note == "per clip, 40 clips"
