"""Scoring a crossed suite against a script that takes each case by itself. Run with --benchmark-only.

Both look with the embedded face models and compute the same metrics to the same numbers; the script decodes and looks
at a case's clips anew for each case and method, as one that is written for a single case does.
"""

from __future__ import annotations

import json
import math

import pytest

from portraitbench.datasets.media import read_output
from portraitbench.faces.observer import Observer
from portraitbench.harness.config import check_config
from portraitbench.harness.plan import selected_cases
from portraitbench.harness.runner import Runner
from portraitbench.harness.session import Session
from portraitbench.harness.store import Store
from portraitbench.metrics.base import Scene, View

METHODS = ["warp", "warp:strength=0.5,as=half"]
CASES = ["pvi[12]__*"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that makes the session of a run whose outputs are there and nothing else, with an empty cache."""
    count, folder = iter(range(100)), tmp_path_factory.mktemp("scored")

    def session() -> Session:
        fields = {
            "suites": ["pocket-video"],
            "faces": ["pocket"],
            "methods": METHODS,
            "device": "cpu",
            "threads": 1,
            "cases": CASES,
        }
        places = {"out": folder / "runs", "name": "scored", "cache": folder / f"cache-{next(count)}"}
        return Session(check_config(fields | places, "benchmark"))

    first = session()
    Runner(first).run()
    records = first.config.folder / "records" / "1-of-1.jsonl"
    lines = records.read_text().splitlines(keepends=True)
    generated = "".join(line for line in lines if json.loads(line)["stage"] == "generate")

    def only_outputs() -> Session:
        records.write_text(generated)
        return session()

    return only_outputs


def values(session: Session) -> dict[tuple[str, str, str], list[float | None]]:
    store = Store(session.config.folder)
    store.load()
    scores = [record for record in store.records.values() if record["stage"] == "score"]
    return {(one["case"], one["method"], one["metric"]): one["values"] for one in scores}


def by_case(session: Session) -> dict[tuple[str, str, str], list[float | None]]:
    """The naive script."""
    found = {}
    (opened,) = session.media.suites
    for case in selected_cases(session, opened):
        for label in session.labels:
            observer = Observer(session.observer.backends)
            media = session.media
            path = session.config.folder / "outputs" / case.suite / case.id / f"{label}.mkv"
            clips = [media._decode_window(case.suite, one) for one in (case.identity, case.driving, case.target)]
            views = [
                View(lambda clip=clip: clip, lambda clip=clip, look=observer.observe: look(clip))
                for clip in (read_output(path), *clips)
            ]
            for metric, name, _ in session.metric_forms(case.kind):
                scores = metric(Scene(case.kind, *views))
                found[case.id, label, name] = [None if math.isnan(one) else float(one) for one in scores.values]
    return found


@pytest.mark.benchmark(group="score-crossed-suite")
def test_the_run(benchmark, made):
    def again():
        return (made(),), {}

    def score(session):
        Runner(session).run()
        return session

    session = benchmark.pedantic(score, setup=again, rounds=2)
    assert values(session) == by_case(session)


@pytest.mark.benchmark(group="score-crossed-suite")
def test_case_by_case(benchmark, made):
    found = benchmark.pedantic(by_case, setup=lambda: ((made(),), {}), rounds=2)
    assert len(found) > 16
