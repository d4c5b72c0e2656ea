"""A run folder written by hand, so that what a report says can be worked out on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portraitbench.harness.component import ComponentSpec
from portraitbench.harness.plan import PlanItem, PlannedMetric, plan_lines
from portraitbench.harness.run_file import RunFile
from portraitbench.harness.store import Store

METRICS = {"up": True, "down": False}
"""Two metrics per frame: higher is better for the one, lower for the other."""


class Crafted:
    """Collects outputs and scores; ``write`` makes the folder.

    Attributes:
        folder: The run folder.
        code: Stands for all that decides outputs besides method and case.
    """

    def __init__(self, folder: Path, code: str = "") -> None:
        self.folder, self.code = folder, code
        self._items: list[PlanItem] = []
        self._records: list[dict[str, Any]] = []

    def case(
        self, method: str, case: str, values: dict[str, list[float | None]] | None, status: str = "ok", reason: str = ""
    ) -> None:
        """Plan an output. ``values`` by metric; None where the output was not made, with its ``status`` and reason.

        A status of "" leaves all records out, as in a run that has not come so far. In a list of values None is a
        frame without a face.
        """
        key = f"{self.code}{method}/{case}"
        metrics = tuple(PlannedMetric(ComponentSpec(name=name), f"{name}/1", f"{key}/{name}") for name in METRICS)
        item = PlanItem("tiny", case, case[0], case[-1], method, "base" if method != "base" else "", key, metrics)
        self._items.append(item)
        if not status:
            return
        part = {"path": f"{key}.png", "bytes": 1, "sha256": key} if status == "ok" else None
        reason = "" if status == "ok" else reason or f"why {case}"
        made = {"stage": "generate", "key": key, "method": method, "status": status, "reason": reason}
        made |= {"output": part, "canvas": None, "seconds": 2.0, "peak_bytes": 10, "calls": {"toy.detect": 3}}
        self._records.append(made)
        for planned in metrics if status == "ok" else ():
            own = (values or {}).get(planned.id.partition("/")[0])
            if own is not None:
                self._score(planned.key(made), method, own)

    def _score(self, key: str, method: str, values: list[float | None]) -> None:
        statuses = ["no_face" if value is None else "ok" for value in values]
        record = {"stage": "score", "key": key, "method": method, "status": "ok", "reason": "", "values": values}
        self._records.append(record | {"value_status": statuses, "seconds": 0.5, "peak_bytes": 20})

    def write(self, kind: str = "cross-image") -> None:
        """Write run.json, plan.jsonl and the records."""
        backend = {"name": "toy", "version": "1", "weights": "0123456789abcdef", "licence": "ours", "device": "cpu"}
        metric = {"unit": "u", "level": "frame", "options": {}, "backends": ["toy"]}
        run = RunFile.model_validate(
            {
                "created": "2026-01-01T00:00:00+00:00",
                "config": {"suites": ["tiny"]},
                "suites": {"tiny": {"title": "Tiny", "kind": kind, "size": 64, "digest": "d"}},
                "methods": list(dict.fromkeys(item.method for item in self._items)),
                "primary": {"tiny": [f"{name}/1" for name in METRICS]},
                "backends": [backend | {"grade": "test, not a measurement", "options": {}}],
                "metrics": {
                    f"{name}/1": metric | {"title": name, "higher_is_better": up} for name, up in METRICS.items()
                },
                "provenance": {"packages": {}, "python": "3", "system": "s", "machine": "m", "checkout": None},
            }
        )
        store = Store(self.folder)
        with store.writing():
            store.write_json("run.json", run.model_dump(mode="json"))
            store.write_plan(plan_lines(self._items))
            store.append(self._records)


@pytest.fixture
def blank(tmp_path) -> Crafted:
    """A run without cases."""
    return Crafted(tmp_path / "run")


@pytest.fixture
def crafted(blank) -> Crafted:
    """Three cases of two methods: whole, with a frame missing, and failed; see ``test_tables``."""
    run = blank
    run.case("base", "a-x", {"up": [1.0, 2.0, 3.0, 6.0], "down": [5.0, 5.0, 5.0, 5.0]})
    run.case("base", "a-y", {"up": [10.0], "down": [1000.25]})
    run.case("base", "b-x", {"up": [0.0, 0.0], "down": [0.0, 0.0]})
    run.case("ours", "a-x", {"up": [4.0, None, None, 8.0], "down": [None, None, None, None]})
    run.case("ours", "a-y", None, "crash")
    run.case("ours", "b-x", {"up": [1.0, 2.0], "down": [-1.0, 1.0]})
    run.write()
    return run
