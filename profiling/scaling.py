"""What workers bring: throughput of a run by their number, by processes and by Ray, and what the harness adds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import BenchError
from .harness_cost import run_fields, run_phase, write_suite

EXECUTORS = ("processes", "ray")


@dataclass(frozen=True)
class ScalingCost:
    """One run by so many workers.

    The method sleeps for a known time over each output, so that workers need no core of their own while they are at
    work: what is missing from ``workers / method_seconds`` is the harness's share, however many cores there are.

    Attributes:
        executor: Who did the jobs.
        workers: How many at a time.
        cases: Outputs made.
        method_seconds: What the method takes for each.
        seconds: Wall time of the whole run: start of workers, looking at inputs and outputs, and scoring as well.
        per_second: Outputs a second once all are at work; see :func:`steady_rate`.
        overhead_seconds: Seconds that a worker spends on an output beside the method.
        driver_seconds: Processor seconds of the main process for an output with all its stages.
        driver_bytes: Peak of the main process's resident memory above that of the imports.
    """

    executor: str
    workers: int
    cases: int
    method_seconds: float
    seconds: float
    per_second: float
    overhead_seconds: float
    driver_seconds: float
    driver_bytes: int

    @property
    def share(self) -> float:
        """Overhead of an output as a share of the method's time."""
        return self.overhead_seconds / self.method_seconds


def measure_scaling(
    folder: Path,
    cases: int,
    seconds: float,
    arms: Sequence[tuple[str, int]],
    tell: Callable[[ScalingCost], None],
) -> list[ScalingCost]:
    """Run one suite from nothing by each number of workers.

    Args:
        folder: An empty folder.
        cases: Size of the suite; the nearest product of identities and drivings below is taken.
        seconds: What the method takes for an output.
        arms: Executors, of :data:`EXECUTORS`, with their numbers of workers.
        tell: Called after each run.

    Raises:
        BenchError: When a run fails, or has too few cases to tell its rate.
    """
    found = []
    identities = max(1, int(cases**0.5 // 1.6))
    manifest = write_suite(folder / "suite", identities, cases // identities)
    for executor, workers in arms:
        fields = run_fields(folder / f"{executor}-{workers}", manifest) | _executor_fields(executor, workers)
        fields |= {"baseline": None, "methods": [f"free:seconds={seconds}"]}
        told = run_phase("run", fields)
        made_at = told["made_at"]
        rate = steady_rate(made_at, workers)
        cost = ScalingCost(
            executor=executor,
            workers=workers,
            cases=len(made_at),
            method_seconds=seconds,
            seconds=told["seconds"],
            per_second=rate,
            overhead_seconds=workers / rate - seconds,
            driver_seconds=told["processor_seconds"] / len(made_at),
            driver_bytes=told["peak_bytes"],
        )
        found.append(cost)
        tell(cost)
    return found


def steady_rate(made_at: Sequence[float], workers: int) -> float:
    """Outputs a second while all workers are at work: without the first quarter, when they start, and the last wave.

    Args:
        made_at: When each output was there, in order, in seconds.
        workers: How many make outputs at a time.

    Raises:
        BenchError: When there are too few outputs.

    >>> steady_rate([2.0, 2.0, 4.0, 4.0, 6.0, 6.0, 8.0, 8.0], workers=2)
    1.0
    """
    first = workers * math.ceil(len(made_at) / (4 * workers))  # workers that began together also end together
    last = len(made_at) - workers
    if last - first < workers:
        raise BenchError(f"{len(made_at)} cases are too few for {workers} workers: give 4 for each or more")
    return (last - first) / (made_at[last - 1] - made_at[first - 1])


def _executor_fields(executor: str, workers: int) -> dict[str, Any]:
    if executor == "processes":
        return {"executor": executor, "workers": workers}
    # A sleeping worker needs next to nothing of a processor: Ray shall not count it as one.
    return {"executor": f"{executor}:workers={workers},cpus=0.01"}
