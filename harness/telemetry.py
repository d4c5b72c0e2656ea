"""What work cost: wall seconds and peak memory, per job and per phase."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Meter:
    """Measures a ``with`` block; meters do not nest.

    Args:
        device: Where the block computes, such as "cpu" or "cuda:1".

    Attributes:
        seconds: Wall time of the block.
        peak_bytes: Largest resident memory of the process during the block; since the process began where the system
            cannot start that count anew (it can on Linux). Of a block on a CUDA device, the peak of memory allocated
            on that very device instead.
    """

    seconds: float = 0.0
    peak_bytes: int = 0

    def __init__(self, device: str = "cpu") -> None:
        self._device = device

    def __enter__(self) -> Self:
        torch = sys.modules.get("torch")  # only a program that uses torch can have used the device
        is_used = self._device.startswith("cuda") and torch is not None and torch.cuda.is_available()
        self._cuda = torch.cuda if torch is not None and is_used else None
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats(self._device)
        else:
            reset_peak_resident()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        self.peak_bytes = (
            self._cuda.max_memory_allocated(self._device) if self._cuda is not None else peak_resident_bytes()
        )


def reset_peak_resident() -> bool:
    """Let the peak of resident memory begin anew at what is resident now; False where the system cannot."""
    try:
        _CLEAR.write_text("5")  # proc(5): resets the peak resident set size and nothing else
    except OSError:
        return False
    return True


def peak_resident_bytes() -> int:
    """Largest resident memory of this process, in bytes, since :func:`reset_peak_resident` or since it began.

    0 where the system does not tell.
    """
    try:
        # Not getrusage, which starts from the memory of the parent process and cannot be reset.
        found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else _peak_since_start()


def _peak_since_start() -> int:
    try:
        import resource
    except ImportError:
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
