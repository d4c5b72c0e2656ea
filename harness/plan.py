"""The plan: which cases and methods a run covers, and the keys under which their results are reused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase

import numpy as np

from ..core.digest import digest, seed_for
from ..core.errors import ConfigError
from ..datasets.catalog import OpenSuite
from ..datasets.manifest import Case, Suite
from .component import ComponentSpec
from .session import Session
from .store import Record

GENERATE_VERSION = 1
"""Raise it when the way outputs are made or stored changes what is in them."""
SCORE_VERSION = 1
"""Raise it when scoring changes outside the metrics, which have versions of their own."""


@dataclass(frozen=True)
class PlannedMetric:
    """One metric of one case.

    Attributes:
        spec: How to make the metric.
        id: Its full id.
        base: Digest of all that decides the value besides the output itself.
    """

    spec: ComponentSpec
    id: str
    base: str

    def key(self, generated: Record) -> str:
        """Key of the score record of an output that was made."""
        files = [generated["output"], generated["canvas"]]
        return digest([self.base, *(part and part["sha256"] for part in files)])


@dataclass(frozen=True)
class PlanItem:
    """One output to make and score: a case and a method.

    Attributes:
        suite: Name in the manifest.
        case: Case id.
        identity: Identity id, by which statistics cluster.
        driving: Driving id, likewise.
        method: Row label.
        baseline: Row label of what the method is compared with; "" without.
        key: Digest of all that decides the output.
        metrics: What to score it with.
    """

    suite: str
    case: str
    identity: str
    driving: str
    method: str
    baseline: str
    key: str
    metrics: tuple[PlannedMetric, ...]

    def as_record(self) -> Record:
        """The item as plain data."""
        metrics = [{"spec": part.spec.model_dump(), "id": part.id, "base": part.base} for part in self.metrics]
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"metrics": metrics}

    @classmethod
    def from_record(cls, record: Record) -> PlanItem:
        """The item of a line of ``plan.jsonl``."""
        metrics = [
            PlannedMetric(ComponentSpec.model_validate(part["spec"]), part["id"], part["base"])
            for part in record["metrics"]
        ]
        return cls(**(record | {"metrics": tuple(metrics)}))


def selected_cases(session: Session, opened: OpenSuite) -> list[Case]:
    """The cases of a suite that the configuration asks for, in manifest order."""
    config = session.config
    cases = opened.suite.cases()
    if config.cases:
        cases = [case for case in cases if any(fnmatchcase(case.id, pattern) for pattern in config.cases)]
    quick = None if config.full or config.cases else opened.suite.quick
    limit = quick if config.limit is None else config.limit
    if limit is not None and limit < len(cases):
        cases = [cases[row] for row in spread(len(cases), limit)]
    return cases


def spread(count: int, limit: int) -> list[int]:
    """Choose ``limit`` of ``count`` indices so that a crossed suite's identities and drivings are both covered.

    Walks the list with a stride near the golden section of its length that is coprime to it: a plain prefix of a
    crossed suite would hold one identity only.

    >>> spread(200, 4)
    [0, 46, 123, 169]
    """
    stride = max(1, round(count * 0.6180339887))
    while np.gcd(stride, count) != 1:
        stride -= 1
    return sorted((index * stride) % count for index in range(limit))


def make_plan(session: Session) -> list[PlanItem]:
    """Plan every selected case for every method; the shard plays no part.

    Raises:
        ConfigError: When a pattern matches no case of any suite of the run, or a method has results for none.
    """
    ids = [case.id for opened in session.suites for case in opened.suite.cases()]
    for pattern in session.config.cases:
        if not any(fnmatchcase(name, pattern) for name in ids):
            raise ConfigError(f"cases: nothing matches {pattern!r} (bench suites show NAME lists the ids)")
    items: list[PlanItem] = []
    for opened in session.suites:
        for case in selected_cases(session, opened):
            metrics = plan_metrics(session, opened.suite, case)
            items += [_item(session, opened.suite, case, label, metrics) for label in session.labels]
    for label in session.labels:
        if items:
            session.method(label).require_cases(dict.fromkeys(item.case for item in items))
    return items


def replan_metrics(session: Session, items: Sequence[PlanItem]) -> list[PlanItem]:
    """The same outputs with the metrics of this session, for ``bench score``."""
    return [
        replace(
            item, metrics=plan_metrics(session, session.suite(item.suite).suite, session.case(item.suite, item.case))
        )
        for item in items
    ]


def plan_metrics(session: Session, suite: Suite, case: Case) -> tuple[PlannedMetric, ...]:
    """The metrics that apply to a case, with the keys that decide their values."""
    windows = [case.identity, case.driving] + ([case.target] if case.target else [])
    content = [suite.window_key(window) for window in windows]
    return tuple(
        PlannedMetric(
            spec=ComponentSpec(name=metric.spec.id, options=dict(metric.options)),
            id=metric.spec.id,
            base=digest(
                [
                    SCORE_VERSION,
                    metric.spec.id,
                    dict(metric.options),
                    session.observer.key_for(metric.spec.needs),
                    content,
                    session.config.threads,
                ]
            ),
        )
        for metric in session.metrics(case.kind)
        if case.target is not None or "target" not in metric.spec.roles
    )


def in_shard(items: Sequence[PlanItem], index: int, count: int) -> Iterator[PlanItem]:
    """The items of one shard: whole cases, dealt out in turn."""
    cases = {case: number for number, case in enumerate(dict.fromkeys((item.suite, item.case) for item in items))}
    return (item for item in items if cases[item.suite, item.case] % count == index)


def _item(session: Session, suite: Suite, case: Case, label: str, metrics: tuple[PlannedMetric, ...]) -> PlanItem:
    baseline = session.config.baseline
    key = digest(
        {
            "version": GENERATE_VERSION,
            "method": session.fingerprint(label, case.id),
            "case": case.id,
            "identity": suite.window_key(case.identity),
            "driving": suite.window_key(case.driving),
            **({"target": case.target and suite.window_key(case.target)} if session.sees_target(label) else {}),
            "seed": seed_for(session.config.seed, suite.name, case.id),
            "threads": session.config.threads,
            "device": session.config.device,
        }
    )
    return PlanItem(
        suite=suite.name,
        case=case.id,
        identity=case.identity_id,
        driving=case.driving_id,
        method=label,
        baseline=baseline.label if baseline and baseline.label != label else "",
        key=key,
        metrics=metrics,
    )
