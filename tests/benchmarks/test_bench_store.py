"""How fast records are kept, and a report of 200 cases and 4 methods computed. Run with --benchmark-only."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pytest

from portraitbench.harness.store import Store
from portraitbench.reports.model import build_report

from ..reports.conftest import Crafted

RECORDS = [
    {"stage": "score", "key": f"k{index}", "method": "m", "status": "ok", "reason": "", "values": [0.5] * 50}
    | {"value_status": ["ok"] * 50}
    for index in range(20)
]
"""The scores of one output of 50 frames."""


@pytest.mark.benchmark(group="append-20-records")
def test_append(benchmark, tmp_path):
    store = Store(tmp_path)
    with store.writing():
        benchmark(store.append, RECORDS)
    store.load()
    assert len(store.records) == 20


@pytest.mark.benchmark(group="append-20-records")
def test_append_one_by_one(benchmark, tmp_path):
    """The naive way that is as safe: a line, a flush to disk, the next line."""
    path = tmp_path / "records.jsonl"

    def append():
        with path.open("a") as file:
            for record in RECORDS:
                file.write(json.dumps(record) + "\n")
                file.flush()
                os.fsync(file.fileno())

    benchmark(append)
    assert len(path.read_text().splitlines()) % 20 == 0


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """200 cases of 4 methods, 2 metrics, a value per frame of 25."""
    run, rng = Crafted(tmp_path_factory.mktemp("large")), np.random.default_rng(0)
    names = [f"{chr(97 + i)}-{d}" for i, d in itertools.product(range(20), range(10))]
    for method in ("base", "one", "two", "three"):
        for name in names:
            run.case(method, name, {metric: rng.normal(5, 1, 25).tolist() for metric in ("up", "down")})
    run.write()
    return run.folder


@pytest.mark.benchmark(group="report-200-cases-4-methods")
def test_report(benchmark, large):
    model = benchmark.pedantic(build_report, (large,), rounds=3)
    assert set(model.summary["cases"]) == {200}
    assert len(model.comparison) == 6


@pytest.mark.benchmark(group="report-200-cases-4-methods")
def test_reading_the_records_alone(benchmark, large):
    """What no report can do without: the JSON lines of the run."""

    def read():
        return [json.loads(line) for path in (large / "records").iterdir() for line in path.read_text().splitlines()]

    assert len(benchmark.pedantic(read, rounds=3)) == 200 * 4 * 3
