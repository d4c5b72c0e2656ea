"""The contract of an executor: where the jobs of a run are done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from ..arithmetic import using_arithmetic
from ..session import Session
from ..stages.jobs import Job
from ..store import Record
from ..threads import limit_threads


class ExecutorBase(ABC):
    """Does jobs inside a ``with`` block and hands their records back as they come, in any order.

    A job is plain data and may be pickled: whoever does it makes a :class:`Session` of his own from the run's
    configuration and calls :func:`stages.jobs.perform`. Outputs are files of the run folder, so that a worker of
    another machine has to see that folder and the cache at the same paths. Numbers do not depend on who does a job.
    The records are kept by whoever called :meth:`run`, never by workers.

    Args:
        options: The executor's own; one without options checks that there are none.
        session: The main process's session, with the configuration of the run.

    Attributes:
        session: The main process's session.
    """

    def __init__(self, options: Mapping[str, Any], session: Session) -> None:  # noqa: ARG002 - for those that have any
        self.session = session
        self._limits = ExitStack()

    def __enter__(self) -> Self:
        """Begin: numeric libraries, of this process and of those that it starts, get the run's number of threads.

        This process also gets the run's arithmetic of graphics cards; workers set that themselves.
        """
        self._limits.enter_context(limit_threads(self.session.config.threads))
        self._limits.enter_context(using_arithmetic(self.session.arithmetic))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End: workers are stopped, whatever they are at. Subclasses call it last."""
        self._limits.close()

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """Do the jobs; called several times in a run.

        Yields:
            The records of one job, for each job once: those it returned, or ``job.failed(status, reason)`` of one that
            was lost with its worker, with the fields ``seconds`` and ``peak_bytes``.

        Raises:
            BenchError: When the run cannot go on; jobs not yet done are dropped.
        """


class ExecutorFactory(Protocol):
    """What the registry holds: a class or function that makes an executor from its options."""

    def __call__(self, options: Mapping[str, Any], session: Session) -> ExecutorBase:
        """Make the executor; nothing is started before its ``with`` block.

        Raises:
            ConfigError: When an option is unknown or malformed, or the configuration asks for what it cannot do.
        """
        ...
