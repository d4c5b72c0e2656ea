"""What a run folder says of itself: ``run.json`` and ``plan.jsonl``, written and read by one model.

``run.json`` holds the configuration and everything a report must name beside its numbers, so that a report needs no
face model, method or plug-in to be written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.digest import digest
from ..core.errors import StoreError, one_line
from ..core.options import first_problem
from ..datasets.catalog import OpenSuite
from ..datasets.check import asset_notes
from ..metrics.resolve import resolve
from .plan import PlanItem
from .provenance import provenance
from .session import Session
from .store import read_lines

_MEND = "the bench run command that made it writes it again"


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class SuiteAbout(_Open):
    """A suite, as a report heads its tables."""

    title: str
    kind: str
    size: int
    digest: str
    notes: dict[str, list[str]] = {}
    guides: dict[str, dict[str, str]] = {}
    """By driving id: by region, the asset that drives it."""


class BackendAbout(_Open):
    """Who looked; see :class:`faces.base.BackendInfo`."""

    name: str
    version: str
    weights: str
    licence: str
    device: str
    grade: str
    options: dict[str, Any]


class MetricAbout(_Open):
    """A metric, with the names of the backends it relied on."""

    title: str
    unit: str
    higher_is_better: bool
    level: str
    options: dict[str, Any]
    backends: list[str]


class ProvenanceAbout(_Open):
    """Versions, machine and commit; see :mod:`harness.provenance`."""

    packages: dict[str, str]
    python: str
    system: str
    machine: str
    checkout: dict[str, Any] | None


class RunFile(_Open):
    """The contents of ``run.json``."""

    created: str
    config: dict[str, Any]
    device: str = ""
    """Where methods and face models computed, as a library is told; "" in files of earlier versions."""
    suites: dict[str, SuiteAbout]
    methods: list[str]
    method_grades: dict[str, str] = {}
    method_settings: dict[str, dict[str, Any]] = {}
    backends: list[BackendAbout]
    metrics: dict[str, MetricAbout]
    provenance: ProvenanceAbout


def describe(session: Session, plan: Sequence[PlanItem]) -> RunFile:
    """Describe a run.

    Args:
        session: The parts of the run.
        plan: What it covers.
    """
    planned = {one.id: one.spec for item in plan for one in item.metrics}
    specs = {name: resolve(part.name, part.options).spec for name, part in planned.items()}
    methods = list(dict.fromkeys(item.method for item in plan))
    data = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": session.config.model_dump(mode="json"),
        "device": session.device,
        "suites": {
            opened.suite.name: {
                "title": opened.suite.title,
                "kind": opened.suite.kind,
                "size": opened.suite.size,
                "digest": digest(opened.suite.model_dump(mode="json", by_alias=True)),
                "notes": _asset_notes(session, opened, plan),
                "guides": {
                    driving.id: {region: window.asset for region, window in driving.guides.items()}
                    for driving in opened.suite.drivings
                    if driving.guides
                },
            }
            for opened in session.media.suites
        },
        "methods": methods,
        "method_grades": {label: session.method(label).grade for label in methods},
        "method_settings": {label: dict(session.method(label).settings) for label in methods},
        "backends": [
            asdict(backend.info) | {"options": dict(backend.info.options)} for backend in session.observer.backends
        ],
        "metrics": {
            name: {
                "title": spec.title,
                "unit": spec.unit,
                "higher_is_better": spec.higher_is_better,
                "level": spec.level,
                "options": dict(planned[name].options),
                "backends": sorted({session.observer.backend_for(need).info.name for need in spec.needs}),
            }
            for name, spec in specs.items()
        },
        "provenance": provenance(),
    }
    return RunFile.model_validate(data)


def _asset_notes(session: Session, opened: OpenSuite, plan: Sequence[PlanItem]) -> dict[str, list[str]]:
    """How the assets that are used are shown, where that differs from their stored pixels."""
    ids = dict.fromkeys(item.case for item in plan if item.suite == opened.suite.name)
    cases = [opened.case(case_id) for case_id in ids]
    windows = [window for case in cases for window in (case.identity, case.driving, case.target) if window]
    used = dict.fromkeys(window.asset for window in windows)
    return asset_notes(session.media.assets, opened.suite, opened.folder, used)


def load_run(folder: Path) -> RunFile:
    """Read a run's ``run.json``.

    Raises:
        StoreError: When the folder is not a run, or the file is damaged.
    """
    try:
        return RunFile.model_validate_json((folder / "run.json").read_bytes())
    except OSError as error:
        raise StoreError(f"run {folder}: no run.json there: give a folder that bench run has made") from error
    except ValidationError as error:
        field, message = first_problem(error)
        raise StoreError(f"run {folder}: run.json is damaged: {field or 'the file'}: {message} ({_MEND})") from error


def load_plan(folder: Path, run: RunFile) -> list[PlanItem]:
    """Read what the last command on this run planned.

    Args:
        folder: The run folder.
        run: Its ``run.json``: a kill between writing the one and the other leaves an old plan.

    Raises:
        StoreError: When there is no plan, it is damaged, or it speaks of suites or metrics that ``run`` does not know.
    """
    path = folder / "plan.jsonl"
    if not path.is_file():
        raise StoreError(f"run {folder}: no plan.jsonl there ({_MEND})")
    try:
        plan = [PlanItem.from_record(line) for line in read_lines(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: a line is not of a plan: {one_line(error)} ({_MEND})") from error
    metrics = {planned.id for item in plan for planned in item.metrics}
    if not metrics <= run.metrics.keys() or not {item.suite for item in plan} <= run.suites.keys():
        raise StoreError(f"run {folder}: run.json and plan.jsonl are of different commands ({_MEND})")
    return plan
