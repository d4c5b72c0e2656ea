"""Checks of time and memory: ratios to another method of the same run, so that no machine is compared with another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ...core.errors import ConfigError
from .baseline import Row
from .pairs import Pairs
from .rules import Rule, Subject
from .verdict import Check, Outcome, WorstCase

_FIELDS = {Subject.TIME: "seconds", Subject.MEMORY: "mebibytes"}


def judge_cost(rule: Rule, chosen: Sequence[Pairs], groups: Sequence[Pairs]) -> Iterator[Check]:
    """Check the median over cases of a cost divided by the reference's for the same case.

    Raises:
        ConfigError: When no method has a reference, or the one named is not measured.
    """
    count = 0
    for group in chosen:
        name = rule.reference or group.reference
        reference = next((other for other in groups if (other.suite, other.method) == (group.suite, name)), None)
        if group.method == name or (reference is None and not rule.reference):
            continue
        if reference is None:
            known = ", ".join(other.method for other in groups if other.suite == group.suite)
            raise ConfigError(f"rule {rule.text!r}: vs {name}: {group.suite} has {known}")
        yield _check(rule, group, reference)
        count += 1
    if not count:
        raise ConfigError(
            f"rule {rule.text!r}: costs are ratios to another method of the same run, and none has one: "
            "name it, like 'time<=1.3x vs METHOD', or run with --baseline"
        )


def _check(rule: Rule, group: Pairs, reference: Pairs) -> Check:
    others = {old.case: (old, new) for old, new in reference.rows}
    both = [(*pair, *others[pair[0].case]) for pair in group.rows if pair[0].case in others]
    name = _FIELDS[rule.subject]
    ratios = [(_ratio(old, ref_old, name), _ratio(new, ref_new, name)) for old, new, ref_old, ref_new in both]
    known = [(row[0].case, *pair) for row, pair in zip(both, ratios, strict=True) if not math.isnan(sum(pair))]
    before, after = (float(np.median([row[side] for row in known])) if known else math.nan for side in (1, 2))
    loss = after / before if known else math.nan
    worst = sorted((row for row in known if row[2] > row[1]), key=lambda row: row[1] / row[2])
    return Check(
        rule=rule,
        suite=group.suite,
        method=group.method,
        subject=f"{rule.subject} vs {reference.method}",
        outcome=Outcome.UNDECIDED if not known else Outcome.REGRESSED if loss > rule.limit else Outcome.FINE,
        before=before,
        after=after,
        loss=loss,
        limit=rule.limit,
        unit="x",
        pairs=len(known),
        message="" if known else f"no case has a {rule.subject} of both methods in both runs",
        worst=tuple(WorstCase(case, old, new, group.pictures.get(case, "")) for case, old, new in worst[:3]),
    )


def _ratio(own: Row, other: Row, name: str) -> float:
    """A cost divided by the reference's; NaN where either is unknown."""
    top, bottom = getattr(own, name), getattr(other, name)
    return top / bottom if top and bottom else math.nan
