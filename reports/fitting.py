"""Whether the numbers of two runs mean the same: field by field, in words that say what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from ..core.errors import ConfigError
from ..harness.plan import PlanItem
from ..harness.run_file import BackendAbout, RunFile


def require_fit(abouts: Mapping[str, RunFile], verb: str = "compared") -> None:
    """See that numbers of all runs mean the same.

    Args:
        abouts: The runs' ``run.json``, by name.
        verb: What cannot be done otherwise.

    Raises:
        ConfigError: In one line that names the two runs and the field.
    """
    for (one, first), (other, second) in combinations(abouts.items(), 2):
        for why in differences(first, second):
            raise ConfigError(f"runs {one} and {other} cannot be {verb}: {why}")


def differences(one: RunFile, other: RunFile) -> Iterator[str]:
    """Why numbers of one run do not mean what the other's mean: the field, then what is wrong with it.

    Suites and metrics that only one of them has are no difference.
    """
    for suite in sorted(one.suites.keys() & other.suites.keys()):
        first, second = one.suites[suite], other.suites[suite]
        if first.size != second.size:
            yield f"canvas: suite {suite} is {first.size} px in the one and {second.size} px in the other"
        if first.digest != second.digest:
            yield f"suite revision: suite {suite} has other contents: run both on one manifest"
    versions = [{_plain(name): name for name in run.metrics} for run in (one, other)]
    for name in sorted(versions[0].keys() & versions[1].keys()):
        mine, theirs = versions[0][name], versions[1][name]
        if mine != theirs:
            yield (
                f"metric version: metric {name} is {mine} in the one and {theirs} in the other: score the older run "
                "again"
            )
        elif one.metrics[mine].options != other.metrics[mine].options:
            yield f"metric options: metric {mine} has other options"
        elif fields := _other_models(_models(one, mine), _models(other, mine)):
            yield f"face backend {fields}: other face models, weights or settings are behind metric {mine}"
    for suite in sorted(one.primary.keys() & other.primary.keys()):
        if one.primary[suite] != other.primary[suite]:
            lists = [", ".join(run.primary[suite]) or "none" for run in (one, other)]
            yield f"primary metrics: those of suite {suite} are {lists[0]} in the one and {lists[1]} in the other"


def require_same_cases(plans: Mapping[str, Sequence[PlanItem]], verb: str = "compared") -> None:
    """See that runs plan the same cases of the suites that they share: means over other cases are no comparison.

    Args:
        plans: The runs' plans, by name. Shards of one run have one plan.
        verb: What cannot be done otherwise.

    Raises:
        ConfigError: Naming the runs, the suite and a case.
    """
    for (one, first), (other, second) in combinations(plans.items(), 2):
        cases = [{(item.suite, item.case) for item in plan} for plan in (first, second)]
        shared = {suite for suite, _ in cases[0]} & {suite for suite, _ in cases[1]}
        if odd := {pair for pair in cases[0] ^ cases[1] if pair[0] in shared}:
            suite, case = min(odd)
            raise ConfigError(
                f"runs {one} and {other} cannot be {verb}: cases: they cover other cases of {suite} ({case} is in one "
                "of them only): run both with the same --case, --limit and --full"
            )


def _plain(metric: str) -> str:
    return metric.partition("/")[0]


def _models(run: RunFile, metric: str) -> dict[str, BackendAbout]:
    return {backend.name: backend for backend in run.backends if backend.name in run.metrics[metric].backends}


def _other_models(one: Mapping[str, BackendAbout], other: Mapping[str, BackendAbout]) -> str:
    """The first thing in which two sets of face models differ, but for the device; "" where they are the same."""
    if one.keys() != other.keys():
        return f"{'+'.join(one) or 'none'} and {'+'.join(other) or 'none'}"
    for name, mine in one.items():
        for field in ("version", "weights", "grade", "options"):
            if getattr(mine, field) != getattr(other[name], field):
                return f"{name}, {field}"
    return ""
