"""Checks of metrics and of coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...core.errors import ConfigError
from ..statistics import LEVEL, MIN_DF, holm, smallest_seen
from .baseline import MetricFacts
from .pairs import Pairs
from .rules import Rule
from .verdict import Check, Outcome

ROUNDING = 1e-9
"""Coverages this close are equal: shares of frames are kept rounded."""


def judge_quality(rule: Rule, group: Pairs, metric: str, facts: MetricFacts) -> Check:
    """Check the mean loss in one metric; significance is for :func:`settled`, which sees all checks.

    Raises:
        ConfigError: When the rule bounds the metric from the side where it is better.
    """
    if rule.rises is not None and rule.rises == facts.higher_is_better:
        better, way = ("higher", ">=-") if facts.higher_is_better else ("lower", "<=+")
        amount = f"{rule.limit:g}{'%' if rule.relative else ''}"
        raise ConfigError(f"rule {rule.text!r}: {better} is better in {metric}: write {rule.metric}{way}{amount}")
    pairs = group.valued(metric)
    before, after = (np.array([pair[side].values[metric] for pair in pairs], dtype=np.float64) for side in (0, 1))
    losses = (before - after) if facts.higher_is_better else (after - before)
    estimate = group.estimate(losses, pairs)
    means = [float(values.mean()) if len(pairs) else math.nan for values in (before, after)]
    limit = rule.limit * (abs(means[0]) / 100 if rule.relative else 1.0)
    return Check(
        rule=rule,
        suite=group.suite,
        method=group.method,
        subject=metric,
        outcome=Outcome.REGRESSED if estimate.mean > limit else Outcome.FINE if pairs else Outcome.UNDECIDED,
        before=means[0],
        after=means[1],
        loss=estimate.mean,
        limit=limit,
        unit=facts.unit,
        estimate=estimate,
        largest=float(losses.max()) if len(pairs) else math.nan,
        smallest=smallest_seen(estimate),
        pairs=len(pairs),
        message="" if pairs else "no case has a value in both",
        worst=group.worst(losses, before, after, [old.case for old, _ in pairs]),
    )


def settled(checks: Sequence[Check]) -> list[Check]:
    """Decide the checks that ask for significance, with Holm's correction over all of them."""
    asking = [index for index, check in enumerate(checks) if check.rule.significant and check.estimate and check.pairs]
    corrected = dict(
        zip(asking, holm([_p(checks[index]) for index in asking]), strict=True)  # NaN: too few clusters for a test
    )
    return [
        _decided(check, float(corrected[index]), len(asking)) if index in corrected else check
        for index, check in enumerate(checks)
    ]


def judge_coverage(rule: Rule, group: Pairs) -> Check:
    """Check the share of frames with a value, of the metric in which it falls most."""
    falls = {metric: [old.covers(metric) - new.covers(metric) for old, new in group.rows] for metric in group.metrics}
    worst = max(falls, key=lambda metric: sum(falls[metric]), default="")
    values = np.array([[row.covers(worst) for row in pair] for pair in group.rows], dtype=np.float64).reshape(-1, 2)
    before, after = (float(100 * column.mean()) if len(values) else math.nan for column in values.T)
    loss = before - after
    cases = [old.case for old, _ in group.rows]
    return Check(
        rule=rule,
        suite=group.suite,
        method=group.method,
        subject=f"coverage of {worst}" if loss > ROUNDING else "coverage",
        outcome=Outcome.REGRESSED if loss > rule.limit + ROUNDING else Outcome.FINE,
        before=before,
        after=after,
        loss=loss,
        limit=rule.limit,
        unit="%",
        pairs=len(values),
        worst=group.worst(values[:, 0] - values[:, 1], 100 * values[:, 0], 100 * values[:, 1], cases),
    )


def _p(check: Check) -> float:
    return check.estimate.p if check.estimate and check.estimate.df >= MIN_DF else math.nan


def _decided(check: Check, p: float, tests: int) -> Check:
    """A loss above the limit must be clear; one below it must be one that would have been seen."""
    estimate = check.estimate
    if estimate is None:
        return check
    check = replace(check, smallest=smallest_seen(estimate, (1 - LEVEL) / tests))
    if check.largest <= check.limit:
        return replace(check, outcome=Outcome.FINE)  # no case alone lost as much: there is nothing to infer
    if math.isnan(p):
        why = f"too few clusters for a test ({estimate.note}): take more cases, or leave sig away"
        return replace(check, outcome=Outcome.UNDECIDED, message=why)
    if check.loss > check.limit:
        if p < 1 - LEVEL:
            return replace(check, outcome=Outcome.REGRESSED)
        why = f"worse than the limit, but not clearly (p {p:.2g} after Holm's correction): take more cases"
        return replace(check, outcome=Outcome.UNDECIDED, message=why)
    if estimate.high <= check.limit or check.smallest <= check.limit:
        return replace(check, outcome=Outcome.FINE)
    why = f"a loss as large as the limit could not have been seen, only {check.smallest:.3g}: take more cases"
    return replace(check, outcome=Outcome.UNDECIDED, message=why)
