"""Crossed runs and baselines made of numbers, so that what a gate must say is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from portraitbench.core.errors import Status
from portraitbench.reports.gate.baseline import Baseline, MetricFacts, Row

METRICS = {"aed/1": False, "aed_mouth/1": False, "sim/1": True}
"""Lower is better for the first two."""


def noisy_run(seed: int, *, noise: float = 0.0, identities: int = 5, drivings: int = 8) -> Baseline:
    """A crossed run of two methods: values that belong to the case, the same for every seed, and noise of the seed."""
    case_rng, noise_rng = np.random.default_rng(0), np.random.default_rng(seed + 1)
    rows = []
    for method in ("base", "ours"):
        for i in range(identities):
            for d in range(drivings):
                values = {name: 10 + case_rng.normal() + noise * noise_rng.normal() for name in METRICS}
                values["sim/1"] /= 20
                names = {"suite": "s", "method": method, "case": f"i{i}__d{d}", "identity": f"i{i}", "driving": f"d{d}"}
                seconds = (1.0 if method == "base" else 3.0) * (1 + noise * noise_rng.normal())
                rows.append(Row(**names, status=Status.OK, values=values, seconds=seconds, mebibytes=500))
    return Baseline(
        source={"run": f"run{seed}"},
        settings={
            "seed": 0,
            "device": "cpu",
            "suites": {"s": "abc"},
            "metrics": {name[:-2]: {"version": "1", "options": {}, "faces": ["toy"]} for name in METRICS},
            "faces": {"toy": {"version": "1", "weights": "w", "grade": "real", "options": {}}},
            "methods": {"base": {"name": "base"}, "ours": {"name": "ours", "steps": 8}},
        },
        kinds={"s": "cross-image"},
        metrics={name: MetricFacts(unit="px", higher_is_better=up) for name, up in METRICS.items()},
        primary={"s": ["aed/1", "sim/1"]},
        references={"ours": "base"},
        rows=rows,
    )


def changed(run: Baseline, change: Callable[[Row], dict], method: str = "ours") -> Baseline:
    """The run with the rows of one method changed."""
    rows = [row.model_copy(update=change(row)) if row.method == method else row for row in run.rows]
    return run.model_copy(update={"rows": rows})


@pytest.fixture
def before() -> Baseline:
    """The baseline."""
    return noisy_run(0, noise=0.02)


@pytest.fixture
def after() -> Baseline:
    """Another run of the same: nothing but noise differs."""
    return noisy_run(1, noise=0.02)
