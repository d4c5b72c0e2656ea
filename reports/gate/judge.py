"""The judge: rules applied to a run and a baseline, paired by case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...core.errors import ConfigError, Status
from ...harness.fingerprint import differences
from .baseline import Baseline, Row
from .costs import judge_cost
from .pairs import Pairs
from .quality import judge_coverage, judge_quality, settled
from .rules import COSTS, PRIMARY, Rule, Subject, matches, matches_metric
from .verdict import CaseNote, Check, GateReport

Pictures = Mapping[tuple[str, str, str], str]
"""By suite, method and case: the output, relative to the run folder."""
_ANY_FALL = Rule(Subject.COVERAGE, "", 0.0, relative=True, rises=False, text="coverage may not drop")


def judge(
    before: Baseline, after: Baseline, rules: Sequence[Rule], pictures: Pictures | None = None, name: str = ""
) -> GateReport:
    """Judge a run.

    Quality rules are about paired differences: with ``sig`` a loss regresses when it is above the limit and its p
    value, by Holm's correction over all such checks, is clear; a check that could neither have seen nor ruled out a
    loss as large as its limit is undecided. Without ``sig`` the mean alone decides.

    Args:
        before: The baseline.
        after: The run, seen alike.
        rules: At least one.
        pictures: Where outputs lie.
        name: What the report calls the baseline.

    Raises:
        ConfigError: In one line, when a rule fits nothing, or bounds a metric from the side where it is better.
    """
    report = GateReport(run=str(after.source.get("run", "")), baseline=name)
    found = tuple(setting_differences(before.settings, after.settings))
    if found:
        return replace(report, differences=found)
    old = {(row.suite, row.method, row.case): row for row in before.rows}
    new = {(row.suite, row.method, row.case): row for row in after.rows}
    groups = Pairs.groups(before, old, new, pictures or {})
    checks = settled([check for rule in _with_coverage(rules) for check in _checks(rule, groups, before)])
    lost = [(row, new.get(key)) for key, row in old.items() if row.status is not Status.MISSING]
    gone, done = (Status.MISSING, None), (Status.MISSING, Status.OK)
    return replace(
        report,
        checks=tuple(checks),
        missing=tuple(_note(row, now) for row, now in lost if (now.status if now else None) in gone),
        failed=tuple(
            _note(row, now) for row, now in lost if row.status is Status.OK and now and now.status not in done
        ),
        new=tuple(CaseNote(*key, "new, not judged") for key in new if key not in old),
    )


def setting_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Settings that must be equal and are not, as "field: baseline -> run".

    Suites, metrics, face models and methods that only one of them has are no difference: they are new or missing.
    """
    narrowed: list[dict[str, Any]] = [dict(old), dict(new)]
    for part in ("suites", "metrics", "faces", "methods"):
        both = old[part].keys() & new[part].keys()
        for side in narrowed:
            side[part] = {name: value for name, value in side[part].items() if name in both}
    return differences(*narrowed)


def _note(row: Row, now: Row | None) -> CaseNote:
    reason = now.reason if now else "not in the run: give it the baseline's suites, methods and cases"
    return CaseNote(row.suite, row.method, row.case, str(now.status if now else Status.MISSING), reason)


def _with_coverage(rules: Sequence[Rule]) -> list[Rule]:
    """Coverage may not drop, unless a rule says by how much it may."""
    return [*rules, *([] if any(rule.subject is Subject.COVERAGE for rule in rules) else [_ANY_FALL])]


def _checks(rule: Rule, groups: Sequence[Pairs], before: Baseline) -> Iterator[Check]:
    chosen = [group for group in groups if matches(rule.suite, group.suite) and matches(rule.method, group.method)]
    if not chosen:
        known = ", ".join(sorted({f"{group.method} in {group.suite}" for group in groups}))
        raise ConfigError(f"rule {rule.text!r}: fits no method and suite of the baseline, which has {known}")
    if rule.subject in COSTS:
        yield from judge_cost(rule, chosen, groups)
        return
    if rule.subject is Subject.COVERAGE:
        yield from (judge_coverage(rule, group) for group in chosen)
        return
    count = 0
    for group in chosen:
        for metric in group.metrics:
            wanted = metric in before.primary.get(group.suite, []) if rule.metric == PRIMARY else None
            if matches_metric(rule.metric, metric) if wanted is None else wanted:
                yield judge_quality(rule, group, metric, before.metrics[metric])
                count += 1
    if not count:
        known = ", ".join(dict.fromkeys(metric for group in chosen for metric in group.metrics))
        raise ConfigError(f"rule {rule.text!r}: the baseline has no such metric; it has {known or 'none'}")
