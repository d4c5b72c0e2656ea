"""Scoring one output: its metrics share one scene, and one that fails takes no other with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import ClassVar

import numpy as np

from ...core.digest import canonical_json
from ...core.errors import BenchError, Status
from ...datasets.clip import Clip
from ...datasets.manifest import Case, Window
from ...metrics.base import Metric, Scene, Scores, View
from ...metrics.resolve import resolve
from ..fingerprint import Fingerprint
from ..isolation import isolated
from ..plan import PlanItem, PlannedMetric
from ..session import Session
from ..store import Record
from .base import Stage
from .jobs import Job, Source, failure


@dataclass(frozen=True)
class ScoreJob:
    """Score one output with some metrics.

    Attributes:
        suite: Suite name.
        case: Case id.
        method: Row label.
        generated: The output.
        canvas: The driving clip as the method framed it; None when it kept the suite's framing.
        metrics: What to compute, with the keys of the records.
    """

    suite: str
    case: str
    method: str
    generated: Source
    canvas: Source | None
    metrics: tuple[tuple[PlannedMetric, str], ...]

    @property
    def where(self) -> str:
        """Case and method."""
        return f"{self.case} · {self.method}"

    @property
    def files(self) -> list[str]:
        """See :attr:`Job.files`."""
        return [source.path for source in (self.generated, self.canvas) if source and source.path]

    def run(self, session: Session) -> list[Record]:
        """Do the job; see :meth:`Job.run`."""
        case = session.media.case(self.suite, self.case)
        chosen = [resolve(planned.spec.name, planned.spec.options) for planned, _ in self.metrics]
        features = sorted({need for metric in chosen for need in metric.spec.needs})
        scene = self._scene(session, case, features)
        records = [
            self._score(session, metric, planned.id, key, scene)
            for metric, (planned, key) in zip(chosen, self.metrics, strict=True)
        ]
        crowded = {"generated": scene.generated.crowded, "driving": scene.driving.crowded}
        return [record | {"several_faces": crowded} for record in records]

    def failed(self, status: Status, reason: str) -> list[Record]:
        """Records that stand for the failed job; see :meth:`Job.failed`."""
        return [self._record(planned.id, key, status, reason) for planned, key in self.metrics]

    def _scene(self, session: Session, case: Case, features: list[str]) -> Scene:
        def view(load: Callable[[], Clip]) -> View:
            # The decoded clip is shared through a function, not through the view: a view that refers to itself would
            # keep its frames until the garbage collector comes by, which counts objects and not their gigabytes.
            once = cache(load)
            return View(once, lambda: session.observer.observe(once(), features))

        def window(one: Window) -> View:
            return view(lambda: session.media.load(self.suite, one))

        canvas = self.canvas
        return Scene(
            kind=case.kind,
            generated=view(lambda: self.generated.load(session)),
            identity=window(case.identity),
            driving=window(case.driving) if canvas is None else view(lambda: canvas.load(session)),
            target=window(case.target) if case.target else None,
        )

    def _score(self, session: Session, metric: Metric, name: str, key: str, scene: Scene) -> Record:
        """One metric's record; a metric that fails takes no other with it."""
        try:
            with isolated(session.config.seed, "score", self.suite, self.case, self.method, name):
                scores = metric(scene.separate())
            _check_scores(scores, metric, scene)
            record = self._record(name, key, Status.OK, "") | {
                "values": [None if np.isnan(value) else float(value) for value in scores.values],
                "value_status": [str(status) for status in scores.status],
                "detail": dict(scores.detail),
            }
            canonical_json(record)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a metric may raise anything; it becomes a record
            return self._record(name, key, *failure(error, session, self))
        return record

    def _record(self, metric: str, key: str, status: Status, reason: str) -> Record:
        names = {"suite": self.suite, "case": self.case, "method": self.method, "metric": metric}
        return {
            "stage": "score",
            "key": key,
            **names,
            "status": status,
            "reason": reason,
            "values": [],
            "value_status": [],
        }


def _check_scores(scores: object, metric: Metric, scene: Scene) -> None:
    """Hold a metric to its contract: a value for the clip, or one per frame of it.

    Raises:
        TypeError: When it returned something else than scores.
        ValueError: When the number of values is another.
    """
    if not isinstance(scores, Scores):
        raise TypeError(f"the metric must return Scores, not {type(scores).__name__}")
    wanted = 1 if metric.spec.level == "clip" else scene.generated.known_length
    if wanted is not None and len(scores.values) != wanted:
        raise ValueError(f"the metric gave {len(scores.values)} values where {wanted} belong")


class Score(Stage):
    """Computes the metrics of every output that was made."""

    name: ClassVar[str] = "score"
    key: ClassVar[str] = "score"

    def jobs(self) -> dict[str, Job]:
        """See :meth:`Stage.jobs`: one job for all metrics of an output that are not known yet."""
        jobs: dict[str, Job] = {}
        for item, record in self._made():
            output, canvas = self.run.outputs(item)
            keyed = [(planned, planned.key(record)) for planned in item.metrics]
            left = tuple(pair for pair in keyed if not self.is_done(pair[1]))
            # A case whose metrics are all known still counts as one job that was reused.
            chosen = left or tuple(keyed[:1])
            if chosen and output is not None:
                jobs[chosen[0][1]] = ScoreJob(item.suite, item.case, item.method, output, canvas, chosen)
        return jobs

    def batches(self, left: Sequence[Job]) -> Iterator[Sequence[Job]]:
        """See :meth:`Stage.batches`: in the order of driving clips, each decoded once for all its cases and methods."""
        yield sorted(left, key=self._driving)

    def _driving(self, job: Job) -> tuple[str, str, int]:
        if not isinstance(job, ScoreJob):
            raise TypeError(f"{type(job).__name__} is no job of this stage")
        driving = self.run.session.media.case(job.suite, job.case).driving
        return job.suite, driving.asset, driving.start

    def fingerprint(self, key: str) -> Fingerprint | None:
        """All that decides the results; see :meth:`Stage.fingerprint`."""
        planned, record = self._by_key[key]
        return planned.full_fingerprint(record)

    @cached_property
    def _by_key(self) -> dict[str, tuple[PlannedMetric, Record]]:
        return {planned.key(record): (planned, record) for item, record in self._made() for planned in item.metrics}

    def _made(self) -> Iterator[tuple[PlanItem, Record]]:
        for item in self.run.items:
            record = self.run.made(item)
            if record is not None and record["status"] == Status.OK:
                yield item, record
