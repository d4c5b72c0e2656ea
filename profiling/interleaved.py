"""Ways to do the same thing, run in turns: their times, their memory and what they give."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from .peak_memory import measured_peak

T = TypeVar("T")

Tell = Callable[[int, int], None]
"""Told how many of how many steps are done."""


@dataclass(frozen=True)
class ClockReading:
    """A moment, with all work that a device was given before it done.

    Attributes:
        wall: Seconds of a clock on the wall.
        processor: Seconds that this process itself has computed, in all its threads. Unlike wall time it leaves out
            the waiting while other programs have the processor. With a GPU it is the host's share only.
    """

    wall: float
    processor: float

    @classmethod
    def now(cls, device: torch.device) -> ClockReading:
        """Let the device finish, then read the clocks."""
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: ClockReading) -> ClockReading:
        """What has passed between two moments."""
        return ClockReading(self.wall - earlier.wall, self.processor - earlier.processor)


@dataclass(eq=False)
class Timings(Generic[T]):
    """What one way has cost and given.

    Attributes:
        first: What its warm-up gave.
        peak_bytes: Peak memory of the warm-up above what was there before; see :func:`measured_peak`.
        spent: Time of every timed turn.
        found: What every timed turn gave.
    """

    first: T
    peak_bytes: int
    spent: list[ClockReading] = field(default_factory=list)
    found: list[T] = field(default_factory=list)

    @property
    def wall(self) -> list[float]:
        """Wall seconds of every timed turn."""
        return [one.wall for one in self.spent]

    @property
    def processor(self) -> list[float]:
        """Processor seconds of every timed turn."""
        return [one.processor for one in self.spent]


def interleave(
    ways: Mapping[str, Callable[[], T]], count: int, device: torch.device, tell: Tell
) -> dict[str, Timings[T]]:
    """Run each way ``count`` times after a warm-up in which its memory is measured.

    In turns, so that whatever else the machine does falls on all of them alike.

    Args:
        ways: By name.
        count: Timed turns of each.
        device: Where they run.
        tell: Told after each turn.
    """
    total, done = len(ways) * (count + 1), 0
    turns: dict[str, Timings[T]] = {}
    for name, way in ways.items():
        with measured_peak(device) as peak:
            first = way()
        turns[name] = Timings(first, peak.bytes)
        done += 1
        tell(done, total)
    for _ in range(count):
        for name, way in ways.items():
            start = ClockReading.now(device)
            found = way()
            turns[name].spent.append(ClockReading.now(device).since(start))
            turns[name].found.append(found)
            done += 1
            tell(done, total)
    return turns
