"""How long the phases of one case took, for the record's detail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PREFIX = "seconds_"
"""Names in a record's detail that begin so are wall seconds of a phase; everything else in it is a result."""


class Phases:
    """Wall seconds by phase.

    >>> phases = Phases()
    >>> with phases.measure("tune"):
    ...     pass
    >>> list(phases.detail)
    ['seconds_tune']
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the block's wall time to a phase; a block that fails counts as well."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    @property
    def detail(self) -> dict[str, float]:
        """Seconds under the names that they have in a record's detail."""
        return {PREFIX + name: round(seconds, 4) for name, seconds in self._seconds.items()}
