"""How far a run is: bars with the time left in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..core.errors import Status
from ..harness.store import Record
from ..reports.render.numbers import duration

_PLAIN_EVERY_S = 10.0


class RunProgress:
    """Shows the stages of a run; also keeps their wall times.

    Attributes:
        seconds: Wall seconds by stage.
    """

    def __init__(self, console: Console) -> None:
        self.seconds: dict[str, float] = {}
        self._console = console
        self._failed = 0
        self._done = 0
        self._total = 0
        self._stage = self._note = ""
        self._workers = 0
        self._began = self._said = self._first = time.monotonic()
        self._bars: Progress | None = None
        self._bar = TaskID(0)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description:<16}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                TextColumn("{task.fields[note]}"),
            )
            self._bars = Progress(*columns, console=console)

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finish_stage()
        if self._bars:
            self._bars.stop()

    def begin(self, device: str, *, found: bool) -> None:
        """A run begins."""
        self._console.print(f"device: {device}{' (found by auto)' if found else ''}")

    def stage(self, name: str, total: int, reused: int) -> None:
        """A stage begins."""
        self._finish_stage()
        self._stage, self._total, self._done, self._failed = name, total, 0, 0
        self._began = self._said = time.monotonic()
        self._note = f"{reused} reused" if reused else ""
        if self._bars:
            self._bar = self._bars.add_task(name, total=total, note=self._note)
        else:
            self._console.print(f"{name}: {total} to do{', ' + self._note if self._note else ''}")

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """A method is at a step of the job in hand."""
        now = time.monotonic()
        if self._bars:
            self._bars.update(
                self._bar, note=", ".join(filter(None, [self._failures, step_text(done, total, figures)]))
            )
        elif now - self._said >= _PLAIN_EVERY_S:
            self._said = now
            text = f"{self._stage}: {self._done}/{self._total}, {step_text(done, total, figures)}"
            self._console.print(text)

    def workers(self, count: int) -> None:
        """So many workers are ready now."""
        self._workers = count

    def done(self, records: Sequence[Record]) -> None:
        """One job is finished."""
        self._done += 1
        self._failed += any(record["status"] != Status.OK for record in records)
        if self._bars:
            note = ", ".join(filter(None, [self._failures, self._rate])) or self._note
            self._bars.update(self._bar, advance=1, note=note)
            return
        now = time.monotonic()
        if self._done == 1:
            self._first = now
        if now - self._said >= _PLAIN_EVERY_S:
            self._said = now
            figures = [f"{self._failed} failed" if self._failed else "", self._rate, self._left(now)]
            self._console.print(", ".join(filter(None, [f"{self._stage}: {self._done}/{self._total}", *figures])))

    def _left(self, now: float) -> str:
        """Time left, by the jobs after the first: until that one is done workers start and weights are loaded."""
        since = now - self._first
        if self._done == 1 or since < _PLAIN_EVERY_S:
            return ""
        return f"about {duration(since / (self._done - 1) * (self._total - self._done))} left"

    @property
    def _rate(self) -> str:
        """Workers and throughput, where the number of workers is told."""
        if not self._workers:
            return ""
        an_hour = 3600 * self._done / max(time.monotonic() - self._began, 1e-9)
        return f"{self._workers} worker{'s' * (self._workers > 1)}, {an_hour:.0f} an hour"

    @property
    def _failures(self) -> str:
        return f"[red]{self._failed} failed[/]" if self._failed else ""

    def _finish_stage(self) -> None:
        if self._stage:
            self.seconds[self._stage] = time.monotonic() - self._began
            self._stage = ""


def step_text(done: int, total: int, figures: Mapping[str, float]) -> str:
    """A step and its figures in a line, like "step 12/40, ldm 0.012, gradient 0.61"."""
    return ", ".join([f"step {done}/{total}", *(f"{name} {value:.3g}" for name, value in figures.items())])
