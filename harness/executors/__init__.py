"""Where jobs are done: in this process, or in several of this machine."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ..config import RunConfig
from ..session import Session
from ..stages.jobs import Job
from ..store import Record
from .processes import ProcessExecutor
from .serial import SerialExecutor


class Executor(AbstractContextManager["Executor"], Protocol):
    """Does jobs inside a ``with`` block and hands their records back as they come, in any order."""

    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """Do the jobs.

        Raises:
            BenchError: When the run cannot go on; jobs not yet done are dropped.
        """
        ...


def executor_for(config: RunConfig, session: Session) -> Executor:
    """One worker without a time limit works in this process, where a debugger can follow; all else in workers."""
    if config.workers == 1 and config.case_timeout is None:
        return SerialExecutor(session)
    return ProcessExecutor(config)
