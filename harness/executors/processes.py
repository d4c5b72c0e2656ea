"""Jobs in several processes of this machine: a worker that dies or hangs costs one case, never the run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool

from pebble import ProcessExpired, ProcessPool

from ...core.errors import BenchError, Status
from ..config import RunConfig
from ..jobs import Job, perform
from ..session import Session
from ..store import Record
from ..threads import limit_threads

_session: Session | None = None
"""The worker's own session; workers are separate processes, so it is shared with nobody."""


class ProcessExecutor:
    """Does jobs in ``config.workers`` fresh processes, each with a session of its own.

    Processes are spawned, not forked: libraries with threads and devices do not survive a fork.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config

    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """See :meth:`Executor.run`.

        Raises:
            BenchError: Also when the processes end before they begin with a job.
        """
        if jobs:
            # Numeric libraries read their number of threads from the environment when a worker starts.
            with limit_threads(self._config.threads):
                yield from self._run(jobs)

    def _run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        context = multiprocessing.get_context("spawn")
        workers = min(self._config.workers, len(jobs))
        pool = ProcessPool(workers, initializer=_start, initargs=(self._config.model_dump_json(),), context=context)
        try:
            limit = self._config.case_timeout
            futures: dict[Future[list[Record]], Job] = {
                pool.schedule(_work, args=(job,), timeout=limit): job for job in jobs
            }
            for future in as_completed(futures):
                job = futures[future]
                try:
                    yield future.result()
                except TimeoutError:
                    yield _lost(job, Status.TIMEOUT, f"took longer than {limit:g} s", limit or 0.0)
                except ProcessExpired as error:
                    yield _lost(job, Status.CRASH, f"the worker process died with exit code {error.exitcode}", 0.0)
                except BrokenProcessPool as error:
                    raise BenchError(
                        "the worker processes end before they begin: run with --workers 1 to see why"
                    ) from error
            pool.close()
        finally:
            pool.stop()
            pool.join()


def _start(config: str) -> None:
    global _session
    _session = Session(RunConfig.model_validate_json(config))


def _work(job: Job) -> list[Record]:
    if _session is None:
        raise RuntimeError("the worker was not started")
    return perform(job, _session)


def _lost(job: Job, status: Status, reason: str, seconds: float) -> list[Record]:
    return [record | {"seconds": seconds, "peak_bytes": 0} for record in job.failed(status, reason)]
