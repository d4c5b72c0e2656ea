"""``bench why``: what will be, or was, computed again, and the option, weight, asset, seed or version behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..core.errors import ConfigError
from ..core.options import given_path
from ..harness.config import load_config, stored_config
from ..harness.plan import PlanItem, make_plan
from ..harness.run_file import load_plan, load_run
from ..harness.session import Session
from ..harness.store import Store
from ..harness.why import Reason, reasons_of_the_past, reasons_to_come
from .flags import RunArgument
from .terminal import make_console


def why(
    run_folder: RunArgument,
    case: Annotated[str | None, typer.Option("--case", help="Only this case, or a pattern like 'id01__*'.")] = None,
    method: Annotated[str | None, typer.Option("--method", "-m", help="Only this row, by its label.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file to plan from. Default: what the run was made with.")
    ] = None,
    past: Annotated[bool, typer.Option("--past", help="Why results had been computed again, up to now.")] = False,
) -> None:
    """Say what running again would compute and why: the fields that differ from the records, old and new.

    Scores of outputs that are made anew, and looks of face models, are not listed.
    """
    loaded = load_run(run_folder)
    retry = False
    if past:
        plan = load_plan(run_folder, loaded)
    else:
        stored = stored_config(loaded.config, run_folder, loaded.working_folder)
        given = load_config(given_path(config), {}) if config else stored
        retry, plan = given.retry_failed, make_plan(Session(given))
    chosen = _chosen(plan, case, method)
    store = Store(run_folder)
    store.load(fingerprints=True)
    found = reasons_of_the_past(store, chosen) if past else reasons_to_come(store, chosen, retry_failed=retry)
    console = make_console(markup=False)
    shown = _print(console, found)
    if not shown:
        nothing = "was computed twice" if past else "will be computed again"
        console.print(f"nothing {nothing}: all {len(chosen)} outputs and their scores are as they were")


def _chosen(plan: list[PlanItem], case: str | None, method: str | None) -> list[PlanItem]:
    chosen = [
        item for item in plan if fnmatchcase(item.case, case or "*") and (method is None or item.method == method)
    ]
    if not chosen:
        labels = ", ".join(dict.fromkeys(item.method for item in plan))
        raise ConfigError(f"why: no output has case {case or '*'!r} and method {method or '*'!r} (methods: {labels})")
    return chosen


def _print(console: Console, reasons: Iterable[Reason]) -> int:
    """Print one paragraph for all results that have the same reasons; returns how many results there are."""
    groups: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    count = 0
    for reason in reasons:
        groups[reason.method, reason.fields][reason.what].append(reason.case)
        count += 1
    for (label, fields), cases in groups.items():
        whats = sorted(cases)
        names = list(dict.fromkeys(name for what in whats for name in cases[what]))
        what = "outputs" if whats == ["output"] else ", ".join(whats)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        console.print(f"{label}: {what} of {names[0]}{more}")
        for field in fields:
            console.print(f"  {field}")
    return count
