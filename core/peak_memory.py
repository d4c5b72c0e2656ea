"""The largest memory of a block of work and of its parts, on a CUDA device or in main memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_open: list[PeakMemory] = []
"""Blocks that are being measured, outermost first. The counters are the process's, and so is this."""


class PeakMemory:
    """Measures a ``with`` block; blocks may nest, though each begins the same counter anew.

    Args:
        device: Where the block computes, such as "cpu" or "cuda:1".

    Attributes:
        device: As given.
        bytes: Largest resident memory of the process during the block; since the process began where the system cannot
            start that count anew (it can on Linux). Of a block on a CUDA device, the peak of memory allocated on that
            very device instead. In both, what was there before the block counts as well.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.bytes = 0
        self._cuda: Any = None

    def __enter__(self) -> Self:
        torch = sys.modules.get("torch")  # only a program that uses torch can have used the device
        is_used = self.device.startswith("cuda") and torch is not None and torch.cuda.is_available()
        self._cuda = torch.cuda if torch is not None and is_used else None
        for block in _open:  # what they have seen so far is about to be forgotten
            block._read()
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats(self.device)
        else:
            reset_peak_resident()
        _open.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._read()
        _open.remove(self)

    def _read(self) -> None:
        now = self._cuda.max_memory_allocated(self.device) if self._cuda is not None else peak_resident_bytes()
        self.bytes = max(self.bytes, now)


@contextmanager
def peak_of_part() -> Iterator[PeakMemory | None]:
    """Measure a part of the block that is being measured, on its device; None where no block is."""
    if not _open:
        yield None
        return
    with PeakMemory(_open[-1].device) as peak:
        yield peak


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
