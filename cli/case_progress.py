"""How far work on a single case is: a bar per phase in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..reports.render.numbers import duration
from .progress import step_text

_PLAIN_EVERY_S = 3.0


class CaseProgress:
    """Shows the phases of work on a single case, with steps and losses where it has them.

    Attributes:
        seconds: Wall seconds by phase.
    """

    def __init__(self, console: Console) -> None:
        self.seconds: dict[str, float] = {}
        self._console = console
        self._phase = ""
        self._began = self._said = time.monotonic()
        self._bar = TaskID(0)
        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[note]}"),
        )
        self._bars = Progress(*columns, console=console) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finish_phase(whole=error is None)
        if self._bars:
            self._bars.stop()

    def phase(self, name: str) -> None:
        """A phase begins."""
        self._finish_phase(whole=True)
        self._phase = name
        self._began = self._said = time.monotonic()
        if self._bars:
            self._bar = self._bars.add_task(escape(name), total=None, note="")
        else:
            self._console.print(name, markup=False)

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """The phase is at one of its steps."""
        now = time.monotonic()
        if self._bars:
            self._bars.update(self._bar, completed=done, total=total, note=step_text(done, total, figures))
        elif now - self._said >= _PLAIN_EVERY_S:
            self._said = now
            left = duration((now - self._began) / done * (total - done))
            self._console.print(f"{self._phase}: {step_text(done, total, figures)}, about {left} left", markup=False)

    def note(self, text: str) -> None:
        """Something that a person should know before they wait."""
        self._console.print(text, style="yellow", markup=False)

    def _finish_phase(self, *, whole: bool) -> None:
        if not self._phase:
            return
        self.seconds[self._phase] = time.monotonic() - self._began
        if self._bars and whole:
            total = self._bars.tasks[self._bar].total or 1
            self._bars.update(self._bar, total=total, completed=total)
        self._phase = ""
