"""Jobs on a Ray cluster, or on a Ray instance of this machine: a warm worker per graphics card, lost ones replaced."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ...core.errors import ConfigError, Status, StoreError, one_line
from ...core.files import write_text
from ...core.options import Options, parse_options
from ..session import Session
from ..stages.jobs import Job
from ..store import Record, storing
from .base import ExecutorBase
from .processes import interrupts_ignored
from .processes import lost as lost_job
from .ray_pool import Hand, Pool, Room
from .ray_worker import SENTINEL, Answer, Files, Orders, parts_of, put_files
from .time_limit import TimeLimit

if TYPE_CHECKING:
    from ray import ObjectRef

_KILLS, _LOSSES = 2, 5
_TICK_S = 0.5
_STARTS = 3
"""How often an instance of this machine is started: Ray gives its processes half a minute, too little on a busy one."""
_OBJECT_STORE_BYTES = 256 * 2**20


class RayOptions(Options):
    """Options of the executor.

    Attributes:
        address: Of a running cluster, like auto or ray://HEAD:10001; without it an instance of this machine is started
            for the run.
        gpus: Graphics cards of a worker. Default: 1 on CUDA, else 0.
        cpus: Processors of a worker.
        workers: At most this many; default: as many as the cluster has room for, as it grows and shrinks.
        shared: false sends files through Ray although workers see the run folder.
    """

    address: str = ""
    gpus: float | None = Field(default=None, ge=0)
    cpus: float = Field(default=1.0, ge=0)
    workers: int | None = Field(default=None, ge=1)
    shared: bool = True


@dataclass(eq=False)
class _Flight:
    """A job on a worker."""

    job: Job
    hand: Hand

    def running(self) -> bool:
        """A job is handed to workers that are ready."""
        return True


class _Losses:
    """Workers that each job has cost; a job that kills them is not tried for ever.

    Jobs are told apart by identity, and must outlive it: not all of them can be hashed.
    """

    def __init__(self) -> None:
        self._own: Counter[int] = Counter()
        self._all: Counter[int] = Counter()

    def reason_to_give_up(self, job: Job, error: Exception) -> str:
        """Count one more; returns why the job is not tried again, "" when it is.

        A worker that went down with its machine says nothing about its job: such losses have a limit of their own.
        """
        name = id(job)
        self._all[name] += 1
        self._own[name] += "node has died" not in str(error)
        if self._own[name] < _KILLS and self._all[name] < _LOSSES:
            return ""
        return f"its worker died {self._all[name]} times"


class RayExecutor(ExecutorBase):
    """Hands each worker one job at a time; records come back to this process, which alone writes them.

    Each worker is an actor that Ray neither restarts nor sends a job again: a worker that is lost is killed for good
    before its job goes to another, so that no two work at the same one.

    Raises:
        ConfigError: When Ray is not installed, or the configuration asks for another number of processes.
    """

    def __init__(self, options: Mapping[str, Any], session: Session) -> None:
        super().__init__(options, session)
        self._options = parse_options(RayOptions, options, "executor ray")
        if session.config.workers > 1:
            raise ConfigError("executor ray: its workers follow from cpus and gpus: leave out workers")
        self._ray: Any = _import_ray()
        self._pool: Pool | None = None
        self._owns_ray = False
        self._unshared: set[str] = set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with interrupts_ignored():
            if self._pool is not None:
                self._pool.close()
                (self.session.config.folder / SENTINEL).unlink(missing_ok=True)
            if self._owns_ray:
                self._ray.shutdown()
        super().__exit__(kind, error, traceback)

    def run(self, jobs: Sequence[Job]) -> Iterator[list[Record]]:
        """Do the jobs, the longest first; see :meth:`ExecutorBase.run`."""
        if not jobs:
            return
        pool = self._pool = self._pool or self._started()
        limit = TimeLimit(self.session.config.case_timeout)
        waiting = deque(sorted(jobs, key=self._frames, reverse=True))
        flights: dict[ObjectRef[Any], _Flight] = {}
        losses = _Losses()
        while waiting or flights:
            pool.staff(len(waiting) + len(flights))
            self.session.tell_workers(pool.size)
            while waiting and pool.idle:
                hand, job = pool.take(), waiting.popleft()
                flights[hand.actor.perform.remote(job, self._inputs(job, hand))] = _Flight(job, hand)
            ready = self._ready(list(flights), limit.tick)
            for flight in limit.overdue([flight for ref, flight in flights.items() if ref not in ready]):
                pool.end(flight.hand)
                flights = {ref: one for ref, one in flights.items() if one is not flight}
                seconds = self.session.config.case_timeout or 0.0
                yield lost_job(flight.job, Status.TIMEOUT, f"took longer than {seconds:g} s", seconds)
            for ref in ready:
                flight = flights.pop(ref)
                try:
                    answer: Answer = self._ray.get(ref)
                except self._ray.exceptions.RayError as error:
                    pool.end(flight.hand)
                    if reason := losses.reason_to_give_up(flight.job, error):
                        yield lost_job(flight.job, Status.CRASH, reason, 0.0)
                    else:
                        waiting.append(flight.job)
                else:
                    pool.give_back(flight.hand)
                    yield self._kept(answer)

    def _ready(self, refs: list[ObjectRef[Any]], tick: float | None) -> list[ObjectRef[Any]]:
        """Jobs that have ended one way or another; waits a moment for the first."""
        wait = _TICK_S if tick is None else min(tick, _TICK_S)
        if not refs:
            time.sleep(wait)
            return []
        ready, _ = self._ray.wait(refs, num_returns=1, timeout=wait)
        return list(ready)

    def _started(self) -> Pool:
        config, options = self.session.config, self._options
        self._connect()
        device = self.session.device
        gpus = options.gpus if options.gpus is not None else float(device.startswith("cuda"))
        if gpus and not device.startswith("cuda"):
            raise ConfigError(f"executor ray: gpus={gpus:g}, and the run computes on {device}: add --device cuda")
        word = secrets.token_hex(16)
        with storing(config.folder):
            write_text(config.folder / SENTINEL, word)
        absolute = {
            "device": "cuda" if device.startswith("cuda") else device,
            "out": config.out.absolute(),
            "cache": config.cache and config.cache.absolute(),
            "suites": [str(Path(name).absolute()) if Path(name).is_file() else name for name in config.suites],
            "plugins": [path.absolute() for path in config.plugins],
        }
        plugins = tuple((path.name, path.read_bytes()) for path in config.plugins)
        orders = Orders(config.model_copy(update=absolute), plugins, word, options.shared)
        room = Room(options.cpus, gpus, options.workers)
        return Pool(self._ray, room, orders, parts_of(self.session))

    def _connect(self) -> None:
        ray = self._ray
        if ray.is_initialized():  # by whoever called; it is not ours to end
            return
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
        alone = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
        given = {"address": self._options.address} if self._options.address else {"address": "local", **alone}
        self._owns_ray = True
        for left in reversed(range(_STARTS)):
            try:
                ray.init(**given, **quiet)
            except Exception as error:
                ray.shutdown()
                if not left or self._options.address:
                    where = self._options.address or "this machine"
                    raise ConfigError(f"executor ray: cannot join {where}: {one_line(error)}") from error
            else:
                return

    def _frames(self, job: Job) -> int:
        """Frames that a job is about: the longest known measure of how long it will take."""
        suite, case = getattr(job, "suite", None), getattr(job, "case", None)
        return self.session.media.case(suite, case).driving.frames if suite and case else 0

    def _inputs(self, job: Job, hand: Hand) -> Files:
        """Files of the run folder that a job reads, for a worker that does not see it."""
        if hand.shared:
            return {}
        if hand.host not in self._unshared:
            self._unshared.add(hand.host)
            folder = self.session.config.folder
            print(f"executor ray: {hand.host} does not see {folder}: files go through Ray", file=sys.stderr)
        found = {}
        for name in job.files:
            path = self.session.config.folder / name
            try:
                found[name] = path.read_bytes()
            except OSError as error:
                raise StoreError(
                    f"{path}: was removed or changed while this command was at work: give the same command again"
                ) from error
        return found

    def _kept(self, answer: Answer) -> list[Record]:
        if answer.error is not None:
            raise answer.error
        folder = self.session.config.folder
        if answer.files:
            with storing(folder):
                put_files(folder, answer.files)
            for record in answer.records:
                for part in (record.get(name) for name in ("output", "canvas", "pasted", "state")):
                    if part:
                        part["modified"] = os.stat(folder / part["path"]).st_mtime_ns  # noqa: PTH116
        return answer.records


def _import_ray() -> Any:
    """Load Ray; it sends nothing home."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray makes its workers give way to all other programs (nice 15); one process of a run counts as much as another.
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # otherwise a warning about the future
    try:
        import ray
    except ImportError as error:
        raise ConfigError("executor ray: Ray is not installed: pip install 'portraitbench[ray]'") from error
    return ray
