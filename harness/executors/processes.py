"""Jobs in several processes of this machine: a worker that dies or hangs costs one case, never the run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ...core.errors import BenchError, Status
from ...core.options import Options, parse_options
from ..arithmetic import arithmetic, set_arithmetic
from ..config import RunConfig
from ..devices import worker_device
from ..session import Session
from ..stages.jobs import Job, perform
from ..store import Record
from .base import ExecutorBase
from .time_limit import TimeLimit
from .worker_process import ENDED_QUIETLY, WorkerContext
from .worker_slots import take_slot

_AHEAD = 4
"""Jobs per worker that the pool has at one time: no worker waits for the main process."""
_STARTS_WITHIN_S = 10.0
"""How long the end of a run waits for processes that have just begun to start."""
_session: Session | None = None
"""The worker's own session; workers are separate processes, so it is shared with nobody."""


class ProcessExecutor(ExecutorBase):
    """Does jobs in ``config.workers`` processes, each with a session of its own that lasts as long as the run.

    Processes are spawned, not forked: libraries with threads and devices do not survive a fork. Of several graphics
    cards each worker has one, in turn.
    """

    def __init__(self, options: Mapping[str, Any], session: Session) -> None:
        super().__init__(options, session)
        parse_options(Options, options, "executor processes")
        # Resolved here, once: what decides the keys is what the workers compute on.
        self._config = session.config.model_copy(update={"device": session.device})
        self._pool: ProcessPool | None = None
        self._pids: Any = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            with interrupts_ignored():
                if self._pool.active:
                    _wait_for_start(self._pids)
                self._pool.stop()
                self._pool.join()
        super().__exit__(kind, error, traceback)

    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """Do the job; see :meth:`ExecutorBase.run`.

        Raises:
            BenchError: Also when the processes end before they begin with a job.
        """
        if self._pool is None and jobs:
            context = WorkerContext()
            self._pids = context.Array("q", self._config.workers)
            self._pool = ProcessPool(self._config.workers, 0, _start, (self._config, self._pids), context)
        limit, waiting = TimeLimit(self._config.case_timeout), iter(jobs)
        # Each future puts itself here when it is done: waiting for futures takes their locks, all at once, and a
        # Control-C in the middle of that would leave some taken, for which the end of the pool waits for ever.
        finished: SimpleQueue[ProcessFuture[list[Record]]] = SimpleQueue()
        futures = self._scheduled(waiting, _AHEAD * self._config.workers, finished)
        while futures:
            done = _next(finished, limit.tick)
            for future in limit.overdue(futures.keys() - {done}):
                future.cancel()  # ends its process as well, and puts it into the queue
            if done is not None:
                futures |= self._scheduled(waiting, 1, finished)
                yield self._outcome(done, futures.pop(done))

    def _scheduled(
        self, jobs: Iterator[Job], count: int, finished: SimpleQueue[ProcessFuture[list[Record]]]
    ) -> dict[ProcessFuture[list[Record]], Job]:
        """Hand the next few jobs to the pool, which writes them out for its processes at once."""
        chosen = list(islice(jobs, count))
        if self._pool is None or not chosen:
            return {}
        with _interrupts_held():
            scheduled = {self._pool.schedule(_work, (job,)): job for job in chosen}
            for future in scheduled:
                future.add_done_callback(finished.put)
        return scheduled

    def _outcome(self, future: ProcessFuture[list[Record]], job: Job) -> list[Record]:
        try:
            records: list[Record] = future.result()
        except CancelledError:
            limit = self._config.case_timeout or 0.0
            return lost(job, Status.TIMEOUT, f"took longer than {limit:g} s", limit)
        except ProcessExpired as error:
            return lost(job, Status.CRASH, _how_it_died(error.exitcode), 0.0)
        except BrokenProcessPool as error:
            raise BenchError("the worker processes end before they begin: see why with --workers 1") from error
        return records


def _next(finished: SimpleQueue[ProcessFuture[list[Record]]], tick: float | None) -> ProcessFuture[list[Record]] | None:
    """The next future that is done; None when there is none for so many seconds."""
    try:
        return finished.get(timeout=tick)
    except Empty:
        return None


def _how_it_died(code: int | None) -> str:
    shown = 0 if code == ENDED_QUIETLY else code
    killed = " (killed from outside, as a system does that has no memory left)" if code == -9 else ""
    return f"the worker process died with exit code {shown}{killed}"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Control-C back from the threads and processes that are started inside: this process answers it alone."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # it would let the signal in again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Let a second Control-C, or one more signal to end, not cut short what the first one has begun."""
    if threading.current_thread() is not threading.main_thread():  # signals are not this thread's
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_start(pids: Any) -> None:
    """Let processes that are just starting come so far that the pool may be stopped.

    It takes its locks away before it ends its processes: one that was still looking for them would print a traceback.
    """
    last = time.monotonic() + _STARTS_WITHIN_S
    while not all(pids) and time.monotonic() < last:
        time.sleep(0.02)


def _start(config: RunConfig, pids: Any) -> None:
    global _session
    sys.stdout.flush()
    os.dup2(2, 1)  # what libraries print is no result: standard output is the main process's alone
    device = worker_device(config.device, take_slot(pids))
    set_arithmetic(arithmetic(device, tf32=config.tf32))
    _session = Session(config.model_copy(update={"device": device}))


def _work(job: Job) -> list[Record]:
    if _session is None:
        raise RuntimeError("the worker was not started")
    return perform(job, _session)


def lost(job: Job, status: Status, reason: str, seconds: float) -> list[Record]:
    """Records that stand for a job that was lost with its worker."""
    return [record | {"seconds": seconds, "peak_bytes": 0} for record in job.failed(status, reason)]
