"""Throughput by the number of workers: the rate is that of the time when all are at work."""

from __future__ import annotations

import json

import pytest

from portraitbench.core.errors import BenchError
from portraitbench.profiling.scaling import steady_rate


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_the_rate_is_that_of_workers_in_step_whatever_the_start_took(workers):
    """Waves of one output for each worker, 0.5 s apart; the first three waves take ten times as long."""
    waves = [5.0, 10.0, 15.0, *(15.0 + 0.5 * wave for wave in range(1, 21))]
    made_at = [time for time in waves for _ in range(workers)]
    assert steady_rate(made_at, workers) == pytest.approx(workers / 0.5)


def test_too_few_outputs_tell_no_rate():
    with pytest.raises(BenchError, match="4 cases are too few for 2 workers"):
        steady_rate([1.0, 1.0, 2.0, 2.0], workers=2)


def test_the_command_measures_what_it_says(bench, tmp_path):
    given = ["--cases", 8, "--seconds", 0.02, "--workers", 1, "--executor", "processes", "-o", tmp_path / "found.json"]
    outcome = bench("profile", "scaling", *given)
    assert outcome.code == 0, outcome.err
    (run,) = json.loads((tmp_path / "found.json").read_text())["runs"]
    assert (run["executor"], run["workers"], run["cases"], run["method_seconds"]) == ("processes", 1, 8, 0.02)
    # A worker that sleeps 0.02 s over each output cannot be faster than that.
    assert run["per_second"] <= 1 / 0.02
    assert run["overhead_seconds"] == pytest.approx(1 / run["per_second"] - 0.02)
    assert run["seconds"] > 8 * 0.02
    assert run["driver_bytes"] > 0


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--cases", 8, "--workers", 4], "--cases 8: must be 16 or more for 4 workers"),
        (["--executor", "serial"], "--executor 'serial': must be one of processes, ray"),
    ],
)
def test_what_cannot_be_measured_is_refused(bench, given, problem):
    outcome = bench("profile", "scaling", *given)
    assert outcome.code == 2
    assert problem in outcome.err
