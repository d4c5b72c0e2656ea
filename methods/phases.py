"""What the phases of one case took, for the record's detail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.peak_memory import peak_of_part

SECONDS, PEAK, RATE = "seconds_", "peak_bytes_", "per_second_"
COSTS = (SECONDS, PEAK, RATE)
"""Names in a record's detail that begin so, and end with a phase, are wall seconds, peak memory in bytes and steps per
second; everything else in it is a result."""


class Phases:
    """Wall seconds, peak memory and steps per second by phase.

    Peaks are told within a measured block only, as a job is: see :func:`peak_of_part`. Rates are told of phases whose
    steps were counted.

    >>> phases = Phases()
    >>> with phases.measure("tune"):
    ...     phases.count("tune", 10)
    >>> list(phases.detail)
    ['seconds_tune', 'per_second_tune']
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._peaks: dict[str, int] = {}
        self._steps: Counter[str] = Counter()

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the block's wall time to a phase, and raise its peak; a block that fails counts as well."""
        start = time.perf_counter()
        try:
            with peak_of_part() as peak:
                yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start
            if peak is not None:
                self._peaks[name] = max(self._peaks.get(name, 0), peak.bytes)

    def count(self, name: str, steps: int) -> None:
        """Say that a phase has done so many steps more."""
        self._steps[name] += steps

    @property
    def detail(self) -> dict[str, float | int]:
        """All of it under the names that it has in a record's detail."""
        rates = {name: steps / self._seconds[name] for name, steps in self._steps.items() if steps}
        return {
            **{SECONDS + name: round(seconds, 4) for name, seconds in self._seconds.items()},
            **{PEAK + name: peak for name, peak in self._peaks.items()},
            **{RATE + name: round(rate, 4) for name, rate in rates.items()},
        }
