"""The plan: which cases and methods a run covers, and the keys under which their results are reused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..core.digest import CanonicalTexts, canonical_json, digest
from ..core.errors import ConfigError
from ..datasets.catalog import OpenSuite
from ..datasets.manifest import Case, Suite
from ..methods.tuned_method import TunedMethod
from ..metrics.resolve import resolve
from .component import ComponentSpec
from .fingerprint import Fingerprint, generate_fingerprint, score_fingerprint
from .session import Session
from .store import Record


@dataclass(frozen=True)
class PlannedMetric:
    """One metric of one case.

    Attributes:
        spec: How to make the metric.
        id: Its full id; of one of several forms see :func:`.chosen_metrics.form_ids`.
        base: Digest of all that decides the value besides the output itself.
        fingerprint: What ``base`` is the digest of; kept in the records of scores, not in the plan.
    """

    spec: ComponentSpec
    id: str
    base: str
    fingerprint: Fingerprint = field(default_factory=dict, compare=False)

    def key(self, generated: Record) -> str:
        """Key of the score record of an output that was made."""
        files = [generated["output"], generated["canvas"]]
        return digest([self.base, *(part and part["sha256"] for part in files)])

    def full_fingerprint(self, generated: Record) -> dict[str, Any]:
        """All that decides the score of an output that was made."""
        files = {name: generated[name] and generated[name]["sha256"] for name in ("output", "canvas")}
        return {**self.fingerprint, **files}


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
        base: Key of the baseline's output that the method starts from; "" if it is no tuned one.
        fingerprint: What ``key`` is the digest of.
    """

    suite: str
    case: str
    identity: str
    driving: str
    method: str
    baseline: str
    key: str
    metrics: tuple[PlannedMetric, ...]
    base: str = ""
    fingerprint: Fingerprint = field(default_factory=dict)

    def as_record(self) -> Record:
        """The item as plain data."""
        metrics = [{"spec": part.spec.model_dump(), "id": part.id, "base": part.base} for part in self.metrics]
        return {name: getattr(self, name) for name in _FIELDS} | {"metrics": metrics}

    @classmethod
    def from_record(cls, record: Record) -> PlanItem:
        """The item of a line of ``plan.jsonl``."""
        metrics = [
            PlannedMetric(ComponentSpec.model_validate(part["spec"]), part["id"], part["base"])
            for part in record["metrics"]
        ]
        return cls(**(record | {"metrics": tuple(metrics)}))


_FIELDS = sorted(one.name for one in fields(PlanItem))


def plan_lines(items: Sequence[PlanItem]) -> list[str]:
    """The lines of ``plan.jsonl`` with their ends: canonical JSON of :meth:`PlanItem.as_record`."""
    texts, specs = CanonicalTexts(), dict[int, str]()
    plain = [name for name in _FIELDS if name not in ("fingerprint", "metrics")]
    template = "{{" + ",".join(f'"{name}":{{{name}}}' for name in _FIELDS) + "}}\n"
    lines: list[str] = []
    metrics: tuple[PlannedMetric, ...] | None = None
    written = ""
    for item in items:
        if item.metrics is not metrics:  # the methods of a case share theirs
            metrics = item.metrics
            written = f"[{','.join([_metric_text(part, specs) for part in metrics])}]"
        parts = {name: canonical_json(getattr(item, name)) for name in plain}
        lines.append(template.format(fingerprint=texts.text(item.fingerprint), metrics=written, **parts))
    return lines


def _metric_text(part: PlannedMetric, specs: dict[int, str]) -> str:
    place = id(part.spec)  # many items share one, and all live as long as the items do
    if place not in specs:
        specs[place] = canonical_json(part.spec.model_dump())
    return f'{{"base":{canonical_json(part.base)},"id":{canonical_json(part.id)},"spec":{specs[place]}}}'


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
    ids = [case.id for opened in session.media.suites for case in opened.suite.cases()]
    for pattern in session.config.cases:
        if not any(fnmatchcase(name, pattern) for name in ids):
            raise ConfigError(f"cases: nothing matches {pattern!r} (bench suites show NAME lists the ids)")
    items: list[PlanItem] = []
    for opened in session.media.suites:
        for case in selected_cases(session, opened):
            items += _items(session, opened.suite, case)
    for label in session.labels:
        if items:
            session.method(label).require_cases(dict.fromkeys(item.case for item in items))
    _require_metrics_apply(session, items)
    return items


def replan_metrics(session: Session, items: Sequence[PlanItem]) -> list[PlanItem]:
    """The same outputs with the metrics of this session, for ``bench score``."""
    media = session.media
    planned = [
        replace(item, metrics=plan_metrics(session, media.suite(item.suite).suite, media.case(item.suite, item.case)))
        for item in items
    ]
    _require_metrics_apply(session, planned)
    return planned


def require_same_inputs(session: Session, items: Sequence[PlanItem]) -> None:
    """See that outputs which were made earlier are compared with the very inputs that they were made from.

    Raises:
        ConfigError: When a manifest now has another file, window or crop for an input; names the asset.
    """
    for item in items:
        suite, case = session.media.suite(item.suite).suite, session.media.case(item.suite, item.case)
        windows = {"identity": case.identity, "driving": case.driving}
        for role, window in windows.items():
            before = item.fingerprint.get(role)
            if before is None or canonical_json(before) != canonical_json(suite.window_content(window)):
                raise ConfigError(
                    f"suite {suite.name}: case {case.id}: its {role}, asset {window.asset}, is not what the "
                    "outputs were made from: the manifest has changed since; make them again with the bench run command"
                )


def _require_metrics_apply(session: Session, items: Sequence[PlanItem]) -> None:
    """See that every metric asked for is measured somewhere.

    Raises:
        ConfigError: When one applies to no case: its column would be missing without a word.
    """
    asked = session.config.metrics
    if not items or not asked:
        return
    specs = {id(metric.spec): metric.spec for item in items for metric in item.metrics}  # many items share one
    planned = {(spec.name, canonical_json(spec.options)) for spec in specs.values()}
    for spec in asked:
        metric = resolve(spec.name, spec.options)
        if (metric.spec.id, canonical_json(dict(metric.options))) not in planned:
            kinds = sorted({one.suite.kind for one in session.media.suites})
            why = (
                "the cases have no target"
                if set(kinds) & set(metric.spec.kinds)
                else f"it is for {', '.join(metric.spec.kinds)}, the suites are {', '.join(kinds)}"
            )
            raise ConfigError(f"metrics: {metric.spec.id} applies to no case of this run: {why}")


def plan_metrics(session: Session, suite: Suite, case: Case) -> tuple[PlannedMetric, ...]:
    """The metrics that apply to a case, with the keys that decide their values."""
    planned = []
    for metric, form, spec in session.metric_forms(case.kind):
        if case.target is not None or "target" not in metric.spec.roles:
            fingerprint = score_fingerprint(session, suite, case, metric)
            planned.append(PlannedMetric(spec, form, session.texts.digest(fingerprint), fingerprint))
    return tuple(planned)


def in_shard(items: Sequence[PlanItem], index: int, count: int) -> list[PlanItem]:
    """The items of one shard: whole cases, dealt out in turn."""
    if count == 1:
        return list(items)
    cases = {case: number for number, case in enumerate(dict.fromkeys((item.suite, item.case) for item in items))}
    return [item for item in items if cases[item.suite, item.case] % count == index]


def _items(session: Session, suite: Suite, case: Case) -> list[PlanItem]:
    """A case with every method, in table order.

    Raises:
        ConfigError: When the case has guides that a tuner does not know.
    """
    baseline = session.config.baseline
    metrics = plan_metrics(session, suite, case)
    items: dict[str, PlanItem] = {}
    for label in session.labels:
        method = session.method(label)
        if isinstance(method, TunedMethod):
            _check_guides(method, suite, case)
        fingerprint = generate_fingerprint(session, suite, case, label)
        items[label] = PlanItem(
            suite=suite.name,
            case=case.id,
            identity=case.identity_id,
            driving=case.driving_id,
            method=label,
            baseline=baseline.label if baseline and baseline.label != label else "",
            key=session.texts.digest(fingerprint),
            metrics=metrics,
            base=items[baseline.label].key if isinstance(method, TunedMethod) and baseline else "",
            fingerprint=fingerprint,
        )
    return list(items.values())


def _check_guides(method: TunedMethod, suite: Suite, case: Case) -> None:
    try:
        method.check_guides(case.guides)
    except ConfigError as error:
        raise ConfigError(f"suite {suite.name}: case {case.id}: {error}") from error
