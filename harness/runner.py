"""The run: look at the inputs, generate, look at the outputs, score. Each stage does only what has no record yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..core.collector import collector_paused
from ..core.digest import text_sha256
from ..core.errors import Status
from .executors import ExecutorBase, make_executor
from .plan import PlanItem, in_shard, make_plan, plan_lines
from .run_file import describe, require_own_schema
from .same_work import require_same_work
from .session import Session
from .stages.base import RETRIABLE, RunState, Stage
from .stages.generate import Generate
from .stages.observe import ObserveInputs, ObserveOutputs
from .stages.score import Score
from .store import Record, Store
from .suite_copy import copy_suites

__all__ = ["RETRIABLE", "STAGES", "Progress", "Runner", "Silent", "Summary"]

STAGES: Sequence[type[Stage]] = (ObserveInputs, Generate, ObserveOutputs, Score)
"""In this order; each works on what those before it left."""


class Progress(Protocol):
    """Whoever wants to be told how far a run is; the command line draws bars."""

    def begin(self, device: str, *, found: bool) -> None:
        """A run begins on a device, named or found by ``auto``."""
        ...

    def stage(self, name: str, total: int, reused: int) -> None:
        """A stage begins: ``total`` jobs are left, ``reused`` were done before."""
        ...

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """A method is at a step of the job in hand; worker processes do not tell."""
        ...

    def workers(self, count: int) -> None:
        """So many workers are ready now, where their number changes."""
        ...

    def done(self, records: Sequence[Record]) -> None:
        """One job is finished."""
        ...


class Silent:
    """Progress for nobody."""

    def begin(self, device: str, *, found: bool) -> None:
        """Take note of the run's device; see :meth:`Progress.begin`."""

    def stage(self, name: str, total: int, reused: int) -> None:
        """Take note of a stage's beginning; see :meth:`Progress.stage`."""

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Take note of a method's step; see :meth:`Progress.step`."""

    def workers(self, count: int) -> None:
        """Take note of the number of workers; see :meth:`Progress.workers`."""

    def done(self, records: Sequence[Record]) -> None:
        """Take note of a finished job; see :meth:`Progress.done`."""


@dataclass
class Summary:
    """How a run ended.

    Attributes:
        items: Outputs planned for this shard.
        failures: Outputs by status, those that are ok left out.
        calls: Faces shown to each model by this command, by "backend.feature".
        reused: Jobs found done.
        performed: Jobs done by this command.
    """

    items: int
    failures: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    reused: int = 0
    performed: int = 0


class Runner:
    """Carries a plan through its stages.

    Args:
        session: The parts of the run.
        progress: Who is told how far it is.
        plan: What to do; None plans from the configuration. ``bench score`` passes the plan of an earlier run, whose
            outputs are then only scored.
        generates: Whether outputs that are missing are made; None makes them unless a plan is given.
    """

    def __init__(
        self,
        session: Session,
        progress: Progress | None = None,
        plan: list[PlanItem] | None = None,
        *,
        generates: bool | None = None,
    ) -> None:
        self._session = session
        self._progress = progress or Silent()
        session.progress = self._progress.step
        # Callers of earlier versions bring a progress that is not told this.
        session.workers_progress = getattr(self._progress, "workers", None)
        with collector_paused():
            self._plan = make_plan(session) if plan is None else plan
        index, count = session.config.shard_of
        store = Store(session.config.folder, f"{index + 1}-of-{count}")
        self._run = RunState(session, in_shard(self._plan, index, count), store)
        self._run.generates = plan is None if generates is None else generates
        self._summary = Summary(items=len(self._run.items))

    def run(self) -> Summary:
        """Do whatever is not done yet.

        Raises:
            BenchError: When the run cannot go on; what was finished is kept.
        """
        run, store = self._run, self._run.store
        require_own_schema(self._session.config.folder)
        self._require_assets()
        self._progress.begin(self._session.device, found=self._session.config.device == "auto")
        count = self._session.config.shard_of[1]
        lines = plan_lines(self._plan)
        with (
            require_same_work(store.folder, text_sha256(*lines), count, generates=run.generates),
            store.writing(),
            make_executor(self._session) as executor,
        ):
            with collector_paused():
                store.load()
            copy_suites(self._session)
            store.write_json("run.json", describe(self._session, self._plan).model_dump(mode="json"))
            store.write_plan(lines)
            del lines  # as large as the plan itself, and a run is long
            for stage in STAGES:
                if run.generates or stage is not Generate:
                    self._carry_out(stage(run), executor)
        statuses = (record["status"] if record else Status.MISSING for record in map(run.made, run.items))
        self._summary.failures = Counter(str(status) for status in statuses if status != Status.OK)
        return self._summary

    def _require_assets(self) -> None:
        media = self._session.media
        needed: dict[str, set[str]] = defaultdict(set)
        for item in self._run.items:
            needed[item.suite] |= {window.asset for window in media.case(item.suite, item.case).windows}
        for suite, asset_ids in needed.items():
            media.require_assets(suite, sorted(asset_ids))

    def _carry_out(self, stage: Stage, executor: ExecutorBase) -> None:
        """Do the jobs of a stage that are not done yet."""
        with collector_paused():
            jobs = stage.jobs()
            left = [job for key, job in jobs.items() if not stage.is_done(key)]
        self._progress.stage(stage.name, len(left), len(jobs) - len(left))
        self._summary.reused += len(jobs) - len(left)
        for batch in stage.batches(left):
            for records in executor.run(batch):
                self._keep(stage, records)

    def _keep(self, stage: Stage, records: Sequence[Record]) -> None:
        told = {record["key"]: stage.fingerprint(record["key"]) for record in records}
        turn = {"turn": self._run.store.turn}
        whole = [
            record | turn | ({"fingerprint": told[record["key"]]} if told[record["key"]] else {}) for record in records
        ]
        self._run.store.append(whole)
        self._summary.performed += 1
        for record in whole:
            self._summary.calls.update(record.get("calls", {}))
        self._progress.done(whole)
