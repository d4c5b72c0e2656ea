"""What work cost: wall seconds and peak memory, per piece of work and per phase."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self


class Meter:
    """Measures a ``with`` block.

    Attributes:
        seconds: Wall time of the block.
        peak_bytes: Largest resident memory of the process so far; on a CUDA device, the block's peak of allocated
            device memory instead.
    """

    seconds: float = 0.0
    peak_bytes: int = 0

    def __enter__(self) -> Self:
        torch = sys.modules.get("torch")  # only a program that uses torch can have used the device
        self._cuda = torch.cuda if torch is not None and torch.cuda.is_available() else None
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        self.peak_bytes = self._cuda.max_memory_allocated() if self._cuda is not None else peak_resident_bytes()


def peak_resident_bytes() -> int:
    """Largest resident memory of this process so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
