"""Jobs one after another in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...core.errors import ConfigError
from ...core.options import Options, parse_options
from ..session import Session
from ..stages.jobs import Job, perform
from ..store import Record
from .base import ExecutorBase


class SerialExecutor(ExecutorBase):
    """Does jobs in the order given, with the session of the main process.

    Raises:
        ConfigError: When the run asks for several workers, or for a time limit: nobody could end a job in time.
    """

    def __init__(self, options: Mapping[str, Any], session: Session) -> None:
        super().__init__(options, session)
        parse_options(Options, options, "executor serial")
        if session.config.workers > 1 or session.config.case_timeout is not None:
            raise ConfigError("executor serial: has one worker and no time limit: leave out workers and case_timeout")

    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """Do the job; see :meth:`ExecutorBase.run`."""
        for job in jobs:
            yield perform(job, self.session)
