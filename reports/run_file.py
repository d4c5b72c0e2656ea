"""What a run folder says of itself: ``run.json`` and ``plan.jsonl``, checked before anything relies on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.errors import StoreError, one_line
from ..harness.plan import PlanItem
from ..harness.store import read_lines


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Suite(_Open):
    title: str
    kind: str
    size: int


class _Backend(_Open):
    name: str
    version: str
    weights: str
    licence: str
    device: str
    grade: str
    options: dict[str, Any]


class _Metric(_Open):
    title: str
    unit: str
    higher_is_better: bool
    backends: list[str]


class _Provenance(_Open):
    packages: dict[str, str]
    python: str
    system: str
    machine: str
    checkout: dict[str, Any] | None


class _RunFile(_Open):
    """The fields of ``run.json`` that reports rely on; written by :func:`harness.describe.describe`."""

    config: dict[str, Any]
    suites: dict[str, _Suite]
    methods: list[str]
    backends: list[_Backend]
    metrics: dict[str, _Metric]
    provenance: _Provenance


def load_run(folder: Path) -> dict[str, Any]:
    """Read a run's ``run.json``.

    Raises:
        StoreError: When the folder is not a run, or the file is damaged.
    """
    try:
        loaded: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        _RunFile.model_validate(loaded)
    except OSError as error:
        raise StoreError(f"run {folder}: no run.json there: give a folder that bench run has made") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise StoreError(f"run {folder}: run.json is damaged: {where}: {first['msg']} ({_MEND})") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"run {folder}: run.json is not JSON: {one_line(error)} ({_MEND})") from error
    return loaded


def load_plan(folder: Path) -> list[PlanItem]:
    """Read what the last command on this run planned.

    Raises:
        StoreError: When there is no plan, or it is damaged.
    """
    path = folder / "plan.jsonl"
    if not path.is_file():
        raise StoreError(f"run {folder}: no plan.jsonl there ({_MEND})")
    try:
        return [PlanItem.from_record(line) for line in read_lines(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: a line is not of a plan: {one_line(error)} ({_MEND})") from error


def check_agreement(folder: Path, run: dict[str, Any], plan: list[PlanItem]) -> None:
    """See that both files are of one command: a kill between writing the one and the other leaves an old plan.

    Raises:
        StoreError: When the plan has suites or metrics that ``run.json`` does not know.
    """
    metrics = {planned.id for item in plan for planned in item.metrics}
    if not metrics <= set(run["metrics"]) or not {item.suite for item in plan} <= set(run["suites"]):
        raise StoreError(f"run {folder}: run.json and plan.jsonl are of different commands ({_MEND})")


_MEND = "the bench run command that made it writes it again"
