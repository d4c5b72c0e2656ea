"""A limit on the working time of jobs that neither the system's clock nor a stopped computer can spoil."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Protocol, TypeVar

_LONGEST_TICK_S = 0.25


class Running(Protocol):
    """Something that is at work or still waits for that, like a future."""

    def running(self) -> bool:
        """Whether it is at work."""
        ...


R = TypeVar("R", bound=Running)


class TimeLimit:
    """Adds up how long jobs have been at work, tick by tick.

    A tick counts as at most two of the planned length, however long it took: jobs are not charged for the time in which
    the whole run was stopped (Control-Z, a laptop that slept). The time of day is never asked.

    Args:
        seconds: What a job may take; None for no limit.

    Attributes:
        tick: Seconds after which :meth:`overdue` wants to be asked again; None without a limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self.tick = None if seconds is None else min(_LONGEST_TICK_S, seconds / 4)
        self._spent: dict[Running, float] = {}
        self._last = time.monotonic()

    def overdue(self, jobs: Collection[R]) -> list[R]:
        """Charge the jobs that are at work for the time since the last call.

        Args:
            jobs: All that are not done.

        Returns:
            Those that have now had more than the limit.
        """
        now = time.monotonic()
        passed, self._last = now - self._last, now
        if self._seconds is None or self.tick is None:
            return []
        charge = min(passed, 2 * self.tick)
        at_work = [job for job in jobs if job.running()]
        self._spent = {job: self._spent.get(job, 0.0) + charge for job in at_work}
        return [job for job in at_work if self._spent[job] > self._seconds]
