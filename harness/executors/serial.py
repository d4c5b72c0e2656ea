"""Jobs one after another in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from ..session import Session
from ..stages.jobs import Job, perform
from ..store import Record
from ..threads import limit_threads


class SerialExecutor:
    """Does jobs in the order given, with the session of the main process."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._limits = ExitStack()

    def __enter__(self) -> Self:
        self._limits.enter_context(limit_threads(self._session.config.threads))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._limits.close()

    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """See :meth:`Executor.run`."""
        for job in jobs:
            yield perform(job, self._session)
