"""What the harness costs: the phases are those of a run, and a planted run is one that finds all done."""

from __future__ import annotations

import json

import pytest

from portraitbench.profiling.harness_cost import measure


@pytest.mark.parametrize("largest_run", [100, 0])
def test_a_resume_finds_everything_done_whether_run_or_planted(tmp_path, largest_run):
    found = {cost.phase: cost for cost in measure(tmp_path, [12], {}, lambda cost: None, largest_run)}
    assert list(found) == ["plan", "run" if largest_run else "plant", "resume", "report"]
    assert found["resume"].done == 0
    # 2 identities and 6 drivings; 12 outputs, made, looked at and scored.
    assert found["resume"].reused == 2 + 6 + 3 * 12
    assert (tmp_path / "12" / "runs" / "free" / "report" / "index.html").is_file()


def test_the_command_prints_and_writes_what_it_found(bench, tmp_path):
    outcome = bench("profile", "harness", "--cases", 4, "--largest-run", 0, "-o", tmp_path / "cost.json")
    assert outcome.code == 0, outcome.err
    assert "4 resume" in outcome.out
    written = json.loads((tmp_path / "cost.json").read_text())
    assert [one["phase"] for one in written["phases"]] == ["plan", "plant", "resume", "report"]
    assert all(one["seconds"] > 0 for one in written["phases"])
    assert bench("profile", "harness", "--cases", 3).code == 2
