"""One phase of a run in a process of its own, so that its memory is its own: ``python -m ... PHASE FIELDS``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from ..harness.config import check_config
from ..harness.plan import make_plan
from ..harness.runner import STAGES, Runner
from ..harness.session import Session
from ..harness.telemetry import Meter
from ..profiling.planted import plant
from ..reports.report import write_report


def main(phase: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Do one phase and measure it.

    Args:
        phase: "plan", "run", "plant" (see :mod:`..profiling.planted`), "resume" (a run again) or "report".
        fields: Of :class:`..harness.config.RunConfig`.

    Returns:
        "seconds", "processor_seconds", "peak_bytes" above what the imports took, and "done" and "reused" jobs.
    """
    config = check_config(dict(fields), f"phase {phase}")
    counts = {"done": 0, "reused": 0}

    def run() -> None:
        summary = Runner(Session(config)).run()
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
    return times | {"peak_bytes": max(0, meter.peak_bytes - before), **counts}


if __name__ == "__main__":
    found = main(sys.argv[1], json.loads(sys.argv[2]))
    print(json.dumps(found))
