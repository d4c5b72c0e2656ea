"""The run: look at the inputs, generate, look at the outputs, score. Each stage does only what has no record yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..core.digest import digest
from ..core.errors import Status
from ..metrics.resolve import resolve
from .executors import Executor, executor_for
from .plan import PlanItem, PlannedMetric, in_shard, make_plan
from .run_file import describe, require_own_schema
from .session import Session
from .stages.generate import GenerateJob
from .stages.jobs import Job, Source
from .stages.observe import ObserveJob
from .stages.score import ScoreJob
from .store import Record, Store
from .suite_copy import copy_suites

OBSERVE_VERSION = 1
RETRIABLE = {Status.OOM, Status.TIMEOUT, Status.CRASH}
"""Failures that may have been the machine's fault; ``--retry-failed`` does such work again."""


class Progress(Protocol):
    """Whoever wants to be told how far a run is; the command line draws bars."""

    def stage(self, name: str, total: int, reused: int) -> None:
        """A stage begins: ``total`` pieces of work are left, ``reused`` were done before."""
        ...

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """A method is at a step of the piece of work in hand; worker processes do not tell."""
        ...

    def done(self, records: Sequence[Record]) -> None:
        """One piece of work is finished."""
        ...


class Silent:
    """Progress for nobody."""

    def stage(self, name: str, total: int, reused: int) -> None:
        """See :meth:`Progress.stage`."""

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """See :meth:`Progress.step`."""

    def done(self, records: Sequence[Record]) -> None:
        """See :meth:`Progress.done`."""


@dataclass
class Summary:
    """How a run ended.

    Attributes:
        items: Outputs planned for this shard.
        failures: Outputs by status, those that are ok left out.
        calls: Faces shown to each model by this command, by "backend.feature".
        reused: Pieces of work found done.
        performed: Pieces of work done by this command.
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
    """

    def __init__(self, session: Session, progress: Progress | None = None, plan: list[PlanItem] | None = None) -> None:
        self._session = session
        self._progress = progress or Silent()
        session.progress = self._progress.step
        self._generate = plan is None
        self._plan = make_plan(session) if plan is None else plan
        index, count = session.config.shard_of
        self._items = list(in_shard(self._plan, index, count))
        self._store = Store(session.config.folder, f"{index + 1}-of-{count}")
        self._summary = Summary(items=len(self._items))
        self._lost: set[str] = set()

    def run(self) -> Summary:
        """Do whatever is not done yet.

        Raises:
            BenchError: When the run cannot go on; what was finished is kept.
        """
        require_own_schema(self._session.config.folder)
        self._require_assets()
        with self._store.writing(), executor_for(self._session.config, self._session) as executor:
            self._store.load()
            copy_suites(self._session)
            self._store.write_json("run.json", describe(self._session, self._plan).model_dump(mode="json"))
            self._store.write_plan(item.as_record() for item in self._plan)
            self._stage("observe inputs", self._input_jobs(), executor)
            if self._generate:
                self._stage("generate", self._generate_jobs(), executor)
            else:
                self._lost = self._lost_outputs()
            self._stage("observe outputs", self._output_jobs(), executor)
            self._stage("score", self._score_jobs(), executor)
        statuses = (record["status"] if record else Status.MISSING for record in map(self._made, self._items))
        self._summary.failures = Counter(str(status) for status in statuses if status != Status.OK)
        return self._summary

    def _require_assets(self) -> None:
        needed: dict[str, set[str]] = defaultdict(set)
        for item in self._items:
            case = self._session.case(item.suite, item.case)
            needed[item.suite] |= {window.asset for window in (case.identity, case.driving, case.target) if window}
        for suite, asset_ids in needed.items():
            self._session.require_assets(suite, sorted(asset_ids))

    def _stage(self, name: str, jobs: dict[str, Job], executor: Executor) -> None:
        """Do the jobs (by the key of their first record) that are not done yet."""
        left = [job for key, job in jobs.items() if not self._is_done(key, job)]
        self._progress.stage(name, len(left), len(jobs) - len(left))
        self._summary.reused += len(jobs) - len(left)
        for records in executor.run(left):
            self._store.append(records)
            self._summary.performed += 1
            for record in records:
                self._summary.calls.update(record.get("calls", {}))
            self._progress.done(records)

    def _is_done(self, key: str, job: Job) -> bool:
        stage = {GenerateJob: "generate", ObserveJob: "observe", ScoreJob: "score"}[type(job)]
        record = self._store.records.get((stage, key))
        if record is None or (self._session.config.retry_failed and record["status"] in RETRIABLE):
            return False
        return stage != "generate" or record["status"] != Status.OK or self._store.has_output(record)

    def _made(self, item: PlanItem) -> Record | None:
        """What became of an output; None when it is still to be made, or was made and is gone or damaged."""
        record = self._store.records.get(("generate", item.key))
        return None if record is None or item.key in self._lost else record

    def _lost_outputs(self) -> set[str]:
        """Keys of outputs whose files are gone or damaged: scoring them would record failures that are not theirs."""
        keyed = {item.key: self._store.records.get(("generate", item.key)) for item in self._items}
        return {key for key, record in keyed.items() if record and not self._store.has_output(record)}

    def _input_jobs(self) -> dict[str, Job]:
        jobs: dict[str, Job] = {}
        for item, features in self._observed():
            case = self._session.case(item.suite, item.case)
            suite = self._session.suite(item.suite).suite
            for window in (case.identity, case.driving, case.target):
                if window is not None:
                    source = Source(item.suite, suite.window_key(window), window=window)
                    self._add_observe(jobs, source, features, f"{item.suite}: {window.asset} from {window.start}")
        return jobs

    def _output_jobs(self) -> dict[str, Job]:
        jobs: dict[str, Job] = {}
        for item, features in self._observed():
            for source in self._output_sources(item):
                if source is not None:
                    self._add_observe(jobs, source, features, f"{item.case} · {item.method}")
        return jobs

    def _observed(self) -> Iterator[tuple[PlanItem, tuple[str, ...]]]:
        """The items with the face features that their metrics need, unless they need none."""
        needs = {planned.id: self._needs(planned) for item in self._items for planned in item.metrics}
        for item in self._items:
            features = sorted({need for planned in item.metrics for need in needs[planned.id]})
            if features:
                yield item, tuple(features)

    def _needs(self, planned: PlannedMetric) -> tuple[str, ...]:
        return resolve(planned.spec.name, planned.spec.options).spec.needs

    def _add_observe(self, jobs: dict[str, Job], source: Source, features: tuple[str, ...], where: str) -> None:
        key = digest([OBSERVE_VERSION, source.key, features, self._session.observer.key_for(features)])
        jobs.setdefault(key, ObserveJob(source, features, key, where))

    def _output_sources(self, item: PlanItem) -> tuple[Source | None, Source | None]:
        """The output and the canvas of an item; None where there is none."""
        record = self._made(item)
        if record is None or record["status"] != Status.OK:
            return None, None
        output, canvas = (
            Source(item.suite, part["sha256"], path=part["path"]) if part else None
            for part in (record["output"], record["canvas"])
        )
        return output, canvas

    def _generate_jobs(self) -> dict[str, Job]:
        early_first = sorted(self._items, key=lambda item: -self._session.precedence(item.method))
        return {item.key: GenerateJob(item.suite, item.case, item.method, item.key) for item in early_first}

    def _score_jobs(self) -> dict[str, Job]:
        jobs: dict[str, Job] = {}
        for item in self._items:
            record = self._made(item)
            output, canvas = self._output_sources(item)
            if record is None or output is None:
                continue
            keyed = [(planned, planned.key(record)) for planned in item.metrics]
            left = tuple(pair for pair in keyed if not self._is_scored(pair[1]))
            # A case whose metrics are all known still counts as one piece of work that was reused.
            chosen = left or tuple(keyed[:1])
            if chosen:
                jobs[chosen[0][1]] = ScoreJob(item.suite, item.case, item.method, output, canvas, chosen)
        return jobs

    def _is_scored(self, key: str) -> bool:
        record = self._store.records.get(("score", key))
        return record is not None and not (self._session.config.retry_failed and record["status"] in RETRIABLE)
