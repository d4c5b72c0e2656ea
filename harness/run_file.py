"""What a run folder says of itself: ``run.json`` and ``plan.jsonl``, written and read by one model.

``run.json`` holds the configuration and everything a report must name beside its numbers, so that a report needs no
face model, method or plug-in to be written again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.digest import digest
from ..core.errors import ConfigError, StoreError, one_line
from ..core.options import first_problem, given_path
from ..datasets.catalog import OpenSuite
from ..datasets.check import asset_notes
from ..datasets.manifest import SuiteKind
from ..methods.base import MethodRole
from ..metrics.primary import primary_ids
from ..metrics.resolve import left_out, resolve
from .plan import PlanItem
from .provenance import DISTRIBUTION, provenance
from .session import Session
from .store import read_lines

SCHEMA = 2
"""Format of a run folder: raise it when files of another version would be misread. Up to 0.1.0 it had no number (1)."""
_FIX = "the bench run command that made it writes it again"


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

    definition: str = ""
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
    """The contents of ``run.json``.

    Attributes:
        schema_version: :data:`SCHEMA`; stands in the file as ``schema``.
        written_by: The distribution and its version.
        method_roles: Role of each method, by label; see :class:`methods.base.MethodRole`.
        primary: By suite: ids of the metrics that its verdicts are about.
        left_out: By suite: the benchmark's metrics that are not measured, and why.
    """

    model_config = ConfigDict(extra="allow", validate_by_name=True, serialize_by_alias=True)

    schema_version: int = Field(default=SCHEMA, alias="schema")
    written_by: str = ""
    created: str
    config: dict[str, Any]
    working_folder: str = ""
    """Where relative paths of the configuration start; "" in files of earlier versions."""
    device: str = ""
    """Where methods and face models computed, as a library is told; "" in files of earlier versions."""
    arithmetic: dict[str, bool] = {}
    """Switches of a graphics card's arithmetic that were set; see :mod:`harness.arithmetic`."""
    suites: dict[str, SuiteAbout]
    methods: list[str]
    method_grades: dict[str, str] = {}
    method_roles: dict[str, str] = {}
    method_settings: dict[str, dict[str, Any]] = {}
    primary: dict[str, list[str]] = {}
    left_out: dict[str, dict[str, str]] = {}
    backends: list[BackendAbout]
    metrics: dict[str, MetricAbout]
    provenance: ProvenanceAbout

    def is_control(self, method: str) -> bool:
        """Whether a method is a reference line of the tables and no competitor."""
        return self.method_roles.get(method, MethodRole.COMPETITOR) != MethodRole.COMPETITOR


def describe(session: Session, plan: Sequence[PlanItem]) -> RunFile:
    """Describe a run.

    Args:
        session: The parts of the run.
        plan: What it covers.
    """
    planned = {one.id: one.spec for item in plan for one in item.metrics}
    specs = {name: resolve(part.name, part.options).spec for name, part in planned.items()}
    methods = list(dict.fromkeys(item.method for item in plan))
    about = provenance()
    data = {
        "schema": SCHEMA,
        "written_by": f"{DISTRIBUTION} {about['packages'].get(DISTRIBUTION, '')}".strip(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": session.config.model_dump(mode="json"),
        "working_folder": _working_folder(),
        "device": session.device,
        "arithmetic": dict(session.arithmetic),
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
        "method_roles": {label: session.method(label).role for label in methods},
        **_chosen_metrics(session, plan),
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
                "definition": spec.definition,
                "options": dict(planned[name].options),
                "backends": [backend.info.name for backend in session.observer.backends_for(spec.needs)],
            }
            for name, spec in specs.items()
        },
        "provenance": about,
    }
    return RunFile.model_validate(data)


def _working_folder() -> str:
    try:
        return str(given_path(Path.cwd()))
    except (OSError, ConfigError):  # it was removed, or its name is no text: then no path of the run starts there
        return ""


def _chosen_metrics(session: Session, plan: Sequence[PlanItem]) -> dict[str, Any]:
    """The fields ``primary`` and ``left_out``.

    Raises:
        ConfigError: When a metric that is to be primary is measured nowhere.
    """
    primary, left = {}, {}
    chosen = session.config.primary
    measured = {one.suite.name: list[str]() for one in session.media.suites}
    for item in plan:
        measured[item.suite] += [planned.id for planned in item.metrics if planned.id not in measured[item.suite]]
    for opened in session.media.suites:
        suite, ids = opened.suite, measured[opened.suite.name]
        targets = suite.kind == SuiteKind.SELF_VIDEO or bool(suite.targets)
        primary[suite.name] = primary_ids(suite.kind, ids, chosen)
        left[suite.name] = left_out(suite.kind, ids, session.observer.provides, targets=targets)
    found = {spelled for ids in primary.values() for one in ids for spelled in (one, one.partition("/")[0])}
    if lacking := [name for name in chosen if name not in found]:
        known = ", ".join(sorted({one for ids in measured.values() for one in ids}))
        raise ConfigError(f"primary: {lacking[0]!r} is not measured in this run: name one of {known}")
    return {"primary": primary, "left_out": left}


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
        StoreError: When the folder is not a run, another version wrote it, or the file is damaged.
    """
    try:
        text = (folder / "run.json").read_bytes()
        _refuse_other_schema(folder, text)
        return RunFile.model_validate_json(text)
    except OSError as error:
        raise StoreError(f"run {folder}: no run.json there: give a folder that bench run has made") from error
    except ValidationError as error:
        field, message = first_problem(error)
        raise StoreError(f"run {folder}: run.json is damaged: {field or 'the file'}: {message} ({_FIX})") from error


def require_own_schema(folder: Path) -> None:
    """See that a run folder is new, or was written in this version's format; a damaged ``run.json`` is let pass.

    Raises:
        StoreError: When its records are of another format: they must neither be reused nor mixed with new ones.
    """
    path = folder / "run.json"
    if path.is_file():
        _refuse_other_schema(folder, path.read_bytes())


def _refuse_other_schema(folder: Path, text: bytes) -> None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(data, dict) or not {"schema", "created"} & data.keys():
        return
    schema = data.get("schema", 1)
    if schema == SCHEMA:
        return
    packages = (data.get("provenance") or {}).get("packages") or {}
    writer = data.get("written_by") or f"{DISTRIBUTION} {packages.get(DISTRIBUTION, '(unknown version)')}"
    raise StoreError(
        f"run {folder}: written by {writer} in format {schema}, and this version reads format {SCHEMA}: report it with "
        "the version that wrote it, or make it again under another --name"
    )


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
        raise StoreError(f"run {folder}: no plan.jsonl there ({_FIX})")
    try:
        plan = [PlanItem.from_record(line) for line in read_lines(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: a line is not of a plan: {one_line(error)} ({_FIX})") from error
    metrics = {planned.id for item in plan for planned in item.metrics}
    if not metrics <= run.metrics.keys() or not {item.suite for item in plan} <= run.suites.keys():
        raise StoreError(f"run {folder}: run.json and plan.jsonl are of different commands ({_FIX})")
    return plan
