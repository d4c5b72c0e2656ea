"""The processes of a pool, as the pool has to see them so that no job of a dead one is waited for."""

from __future__ import annotations

import time
from multiprocessing.context import SpawnContext, SpawnProcess

ENDED_QUIETLY = 256
"""Stands for exit code 0; no process ends with it."""
_GRACE_S = 0.5


class WorkerProcess(SpawnProcess):
    """A process that never ends by itself: one that did has lost its job, whatever its exit code.

    The pool takes exit code 0 for the end of all work, and would wait for the lost job for ever. It also has to be told
    of a job's begin before it hears that the process has died: hence it hears of that a moment later.
    """

    _died: float | None = None
    _is_ended_by_us = False

    @property
    def exitcode(self) -> int | None:
        """The exit code; :data:`ENDED_QUIETLY` for 0."""
        code = super().exitcode
        return ENDED_QUIETLY if code == 0 else code

    def is_alive(self) -> bool:
        """Whether it is alive, or has been a moment ago."""
        if super().is_alive() or self._is_ended_by_us:
            return super().is_alive()
        self._died = self._died or time.monotonic()
        return time.monotonic() - self._died < _GRACE_S

    def terminate(self) -> None:
        """End it; from then on its death is told at once."""
        self._is_ended_by_us = True
        super().terminate()


class WorkerContext(SpawnContext):
    """Starts :class:`WorkerProcess`."""

    Process = WorkerProcess
