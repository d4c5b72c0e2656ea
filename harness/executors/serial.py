"""Jobs one after another in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..jobs import Job, perform
from ..session import Session
from ..store import Record
from ..threads import limit_threads


class SerialExecutor:
    """Does jobs in the order given, with the session of the main process."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """See :meth:`Executor.run`."""
        with limit_threads(self._session.config.threads):
            for job in jobs:
                yield perform(job, self._session)
