"""What work cost: wall seconds and peak memory."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from ..core.peak_memory import PeakMemory


class Meter:
    """Measures a ``with`` block.

    Args:
        device: Where the block computes, such as "cpu" or "cuda:1".

    Attributes:
        seconds: Wall time of the block.
        peak_bytes: Its peak memory; see :attr:`PeakMemory.bytes`.
    """

    seconds: float = 0.0
    peak_bytes: int = 0

    def __init__(self, device: str = "cpu") -> None:
        self._peak = PeakMemory(device)

    def __enter__(self) -> Self:
        self._peak.__enter__()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        self._peak.__exit__(kind, error, traceback)
        self.peak_bytes = self._peak.bytes
