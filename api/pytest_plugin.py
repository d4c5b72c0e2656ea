"""A pytest plug-in: gate a model's repository with an ordinary test.

It is there wherever this package is installed::

    def test_my_model(bench_gate):
        bench_gate(suites=["pocket-image"], limit=9, methods=["outputs:dir=results,as=mine"])

The run goes below ``--bench-out``; the baseline is ``bench_baseline.json`` beside the test file, unless another one is
named. ``pytest --bench-update "REASON"`` writes it, or renews it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flags of the gate."""
    group = parser.getgroup("portraitbench")
    group.addoption(
        "--bench-out",
        default="runs/pytest",
        metavar="DIR",
        help="Folder of its runs. Default: runs/pytest.",
    )
    group.addoption(
        "--bench-update", default="", metavar="REASON", help="Write or renew the baselines of bench_gate, and say why."
    )


@pytest.fixture
def bench_gate(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run, and fail with the gate's report where the run is worse than the baseline.

    Returns:
        A function of ``baseline`` (a file; a relative one lies beside the test), ``rules`` (see :func:`.gating.gate`)
        and the fields of a run. It returns the gate's report, None where a baseline was written for the first time.
    """
    folder = request.path.parent
    out, reason = Path(request.config.getoption("--bench-out")), request.config.getoption("--bench-update")

    def gate(baseline: str | Path = "bench_baseline.json", rules: Sequence[str] = (), **fields: Any) -> Any:
        from .gating import gate as judge
        from .gating import renew_baseline, save_baseline
        from .reports.gate.summary import lines
        from .running import run

        path = folder / baseline
        done = run(**{"out": out, "name": request.node.name.replace("[", "-").replace("]", ""), **fields})
        if reason and not path.exists():
            save_baseline(done, path, note=reason)
            return None
        report = judge(done, path, rules, out=done.folder / "gate")
        if reason:
            renew_baseline(done, path, reason, report.sentence)
        elif report.exit_code:
            pytest.fail("\n".join([*lines(report), f"report: {done.folder / 'gate'}"]), pytrace=False)
        return report

    return gate
