"""``bench estimate``: time, disk and memory of a run before it is made."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ..core.files import human_size
from ..harness.estimate import MethodCost, cases_of, cases_text, first_cases, probe
from ..harness.estimate import estimate as from_records
from ..harness.plan import PlanItem, make_plan
from ..harness.runner import Runner
from ..harness.session import Session
from ..reports.render.numbers import duration
from ..running import session_for
from .flags import FLAGS, ConfigOption, Given, takes
from .progress import RunProgress
from .terminal import listed, make_console

LONG_SECONDS = 600
"""A run that will take longer says so before it begins."""
MANY = 50
"""Outputs of a method without records from which a run says that it could take long."""


@takes(*FLAGS)
def estimate(given: Given, config: ConfigOption = None) -> None:
    """Say how long a run will take, and the disk and memory it needs: takes the flags of bench run, keeps no result.

    From records of the same methods on this machine, in the latest run folders below --out; for methods without records
    a few cases are made as a probe.
    """
    session = session_for(config, given)
    items = make_plan(session)
    costs = from_records(session, items)
    console = make_console(markup=False)
    if unknown := [cost.method for cost in costs if cost.seconds is None]:
        console.print(f"no records of {listed(unknown)} here: a few cases are made as a probe")
        probed = {cost.method: cost for cost in probe(session, items, unknown)}
        costs = [probed[cost.method] if cost.method in unknown else cost for cost in costs]
    for line in lines(session, costs):
        console.print(line)


def before_a_long_run(session: Session, console: Console) -> list[PlanItem]:
    """Print an estimate where records say that a run will take long, or from its first cases where there are none.

    Those cases are made now, in the run's folder, and the run goes on from there. Of many outputs of methods that do
    not denoise it is only said that nothing is known.

    Returns:
        The plan of the run.
    """
    items = make_plan(session)
    costs = from_records(session, items)
    first = first_cases(session, items, costs)
    if first:
        costs = _begin(session, console, items, first)
    is_long = _seconds(session, costs) > LONG_SECONDS
    for line in lines(session, costs) if is_long else _sum(session, costs) if first else []:
        console.print(line)
    if first and len(cases_of(first)) <= session.config.workers:
        console.print(f"at most, that is: the time of {cases_text(first)} includes the loading of networks")
    if not first and not is_long and (many := [cost.method for cost in costs if _may_take_long(cost)]):
        hint = "bench estimate with the same flags makes a few cases and says how long all take"
        console.print(f"no records of {listed(many)} here: {hint}")
    return items


def _may_take_long(cost: MethodCost) -> bool:
    return cost.seconds is None and cost.outputs >= MANY


def _begin(session: Session, console: Console, items: Sequence[PlanItem], first: list[PlanItem]) -> list[MethodCost]:
    """Make the first cases in the run's folder, and estimate the rest from them."""
    unknown, told = listed(list(dict.fromkeys(item.method for item in first))), cases_text(first)
    console.print(f"no records of {unknown} here: makes {told} first, to know how long all take")
    with RunProgress(console) as progress:
        Runner(session, progress, first, generates=True).run()
    costs = from_records(session, items, [session.config.folder])
    return [replace(cost, source=f"{told} of this run") if cost.source else cost for cost in costs]


def lines(session: Session, costs: Sequence[MethodCost]) -> list[str]:
    """An estimate for people: a line per method, and the sum."""
    told = []
    for cost in costs:
        if cost.seconds is None:
            told.append(f"{cost.method}: {cost.outputs} outputs, nothing is known of them (bench estimate makes some)")
            continue
        room = f"{human_size(cost.disk_bytes)} of disk, {human_size(cost.peak_bytes)} of memory"
        told.append(f"{cost.method}: {cost.outputs} outputs, {duration(cost.seconds)}, {room} (from {cost.source})")
    return told + _sum(session, costs)


def _sum(session: Session, costs: Sequence[MethodCost]) -> list[str]:
    """What all methods take together."""
    workers = session.config.workers
    disk, peak = sum(cost.disk_bytes for cost in costs), max((cost.peak_bytes for cost in costs), default=0)
    free = shutil.disk_usage(_existing(session.config.out)).free
    at_least = "at least " if any(cost.seconds is None for cost in costs) else ""
    time = f"{at_least}{duration(_seconds(session, costs))} on {workers} worker{'s' if workers > 1 else ''}"
    room = f"{human_size(disk)} of disk ({human_size(free)} are free), {human_size(workers * peak)} of memory"
    return [f"in all {time}, {room}"] + ["there is not enough room on the disk"] * (disk > free)


def _seconds(session: Session, costs: Sequence[MethodCost]) -> float:
    """Wall time of this process's shard."""
    _, shards = session.config.shard_of
    return sum(cost.seconds or 0.0 for cost in costs) / session.config.workers / shards


def _existing(path: Path) -> Path:
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
