"""One phase of a run in a process of its own, so that its memory is its own: ``python -m ... PHASE FIELDS``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil
from rich.console import Console

from ..harness.config import check_config
from ..harness.plan import make_plan
from ..harness.runner import STAGES, Runner, Silent
from ..harness.session import Session
from ..harness.store import Record
from ..harness.telemetry import Meter
from ..profiling.planted import plant
from ..reports.report import write_report
from .estimate import before_a_long_run


def main(phase: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Do one phase and measure it.

    Args:
        phase: "plan", "run" (all that ``bench run`` does before its report), "plant" (see
            :mod:`..profiling.planted`), "resume" (a run again) or "report".
        fields: Of :class:`..harness.config.RunConfig`.

    Returns:
        "seconds", "processor_seconds", "peak_bytes" above what the imports took, "done" and "reused" jobs, and
        "made_at": for each output the seconds after which it was there.
    """
    config = check_config(dict(fields), f"phase {phase}")
    counts = {"done": 0, "reused": 0}
    clock = _Clock()

    def run() -> None:
        session = Session(config)
        items = before_a_long_run(session, Console(quiet=True))
        summary = Runner(session, clock, items, generates=True).run()
        counts.update(done=summary.performed, reused=summary.reused)

    steps: dict[str, Callable[[], object]] = {
        "plan": lambda: make_plan(Session(config)),
        "plant": lambda: plant(Session(config), STAGES),
        "run": run,
        "resume": run,
        "report": lambda: write_report(config.folder),
    }
    before = psutil.Process().memory_info().rss
    began = time.process_time()
    with Meter() as meter:
        steps[phase]()
    times = {"seconds": meter.seconds, "processor_seconds": time.process_time() - began}
    return times | {"peak_bytes": max(0, meter.peak_bytes - before), **counts, "made_at": clock.made_at}


class _Clock(Silent):
    """Notes when each output was there."""

    def __init__(self) -> None:
        self.made_at: list[float] = []
        self._began = time.perf_counter()

    def done(self, records: Sequence[Record]) -> None:
        """See :meth:`Progress.done`."""
        if records[0]["stage"] == "generate":
            self.made_at.append(round(time.perf_counter() - self._began, 4))


if __name__ == "__main__":
    found = main(sys.argv[1], json.loads(sys.argv[2]))
    print(json.dumps(found))
