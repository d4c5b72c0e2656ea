"""Baselines: what a run measured, case by case, in a small text file that is committed beside the code.

A line per case and method, values with six significant digits, times and memory with three: a renewed baseline shows in
a diff which cases moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from ...core.digest import file_sha256
from ...core.errors import ConfigError, Status, one_line
from ...core.files import write_text
from ...core.options import first_problem
from ...harness.devices import device_type
from ...harness.run_file import RunFile
from ..records_frame import case_values, tidy_frame
from ..run_data import RunData

FORMAT = 1
"""Raise it when files of another version would be misread."""
MAX_BYTES = 64 * 2**20
_PLACES = {"dir", "weights"}
"""Options that say where files lie, and nothing of how a method is set."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Closed):
    """What was measured of one output.

    Attributes:
        status: How making it ended; ``missing`` where that, or a score of it, is not done.
        reason: Why there is no output.
        values: Case values by metric id; None where no frame has one.
        coverage: Share of frames with a value, where that is not 1.
        seconds: Making it took.
        mebibytes: Peak memory of that.
    """

    suite: str
    method: str
    case: str
    identity: str
    driving: str
    status: Status
    reason: str = ""
    values: dict[str, float | None] = {}
    coverage: dict[str, float] = {}
    seconds: float | None = None
    mebibytes: float | None = None

    def covers(self, metric: str) -> float:
        """Share of frames with a value."""
        return self.coverage.get(metric, 1.0) if metric in self.values else 0.0


class MetricFacts(_Closed):
    """What a rule needs to know of a metric."""

    unit: str
    higher_is_better: bool


class Renewal(_Closed):
    """One deliberate renewal of a baseline."""

    date: str
    reason: str
    replaced: str
    """Beginning of the sha256 of the file that was replaced."""
    verdict: str


class Baseline(_Closed):
    """A run as the gate sees it, and as a baseline file keeps it.

    Attributes:
        format: :data:`FORMAT`.
        note: Words for the reader, such as how tolerances were found.
        source: Where it came from: run, date, versions, commit, machine.
        settings: What must be equal in both runs: seed, kind of device, suites' digests, metrics with their versions,
            options and face models, options of methods.
        kinds: Kind of each suite.
        metrics: By id.
        primary: By suite: ids.
        references: By method: what it is compared with in its own run.
        renewals: The latest ones, the last one last.
        rows: Competitors' outputs in plan order.
    """

    format: int = FORMAT
    note: str = ""
    source: dict[str, Any]
    settings: dict[str, Any]
    kinds: dict[str, str]
    metrics: dict[str, MetricFacts]
    primary: dict[str, list[str]]
    references: dict[str, str]
    renewals: list[Renewal] = []
    rows: list[Row]


def snapshot(data: RunData) -> Baseline:
    """See a run as the gate does: competitors only, controls are no subject of a gate."""
    run = data.run
    return Baseline(
        source=_source(data),
        settings=_settings(run),
        kinds={name: suite.kind for name, suite in run.suites.items()},
        metrics={
            name: MetricFacts(unit=about.unit, higher_is_better=about.higher_is_better)
            for name, about in run.metrics.items()
        },
        primary=run.primary,
        references={item.method: item.baseline for item in data.plan if item.baseline},
        rows=list(_rows(data)),
    )


def save_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline file, atomically."""
    head = baseline.model_dump(mode="json", exclude={"rows"})
    rows = [json.dumps(row.model_dump(mode="json", exclude_defaults=True)) for row in baseline.rows]
    text = json.dumps(head, indent=1).removesuffix("\n}")
    write_text(path, text + ',\n "rows": [\n' + ",\n".join(f"  {row}" for row in rows) + "\n ]\n}\n")


def load_baseline(path: Path) -> Baseline:
    """Read a baseline file.

    Raises:
        ConfigError: In one line that names the file and the field, when it is missing, damaged or of another format.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"baseline {path}: larger than {MAX_BYTES // 2**20} MiB: this is no baseline")
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"baseline {path}: {error.strerror}: make one with bench baseline save RUN -o {path}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"baseline {path}: is not JSON: {one_line(error)}") from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise ConfigError(f"baseline {path}: format: {found!r}, and this version reads {FORMAT}: save it again")
    try:
        return Baseline.model_validate(data)
    except ValidationError as error:
        field, message = first_problem(error)
        raise ConfigError(f"baseline {path}: {field}: {message}") from error


def short_digest(path: Path) -> str:
    """The beginning of a file's sha256, by which a report says which baseline it means."""
    return file_sha256(path)[:12]


def _source(data: RunData) -> dict[str, Any]:
    about = data.run.provenance
    versions = {name: about.packages[name] for name in ("portraitbench", "torch", "numpy") if name in about.packages}
    kept = {"run": data.name, "created": data.run.created, "saved": datetime.now(UTC).date().isoformat()}
    return kept | {"packages": versions, "checkout": about.checkout, "machine": about.machine, "python": about.python}


def _settings(run: RunFile) -> dict[str, Any]:
    models = {
        backend.name: {"version": backend.version, "weights": backend.weights, "grade": backend.grade}
        | {"options": backend.options}
        for backend in run.backends
    }
    metrics: dict[str, Any] = {}
    for metric, about in run.metrics.items():
        name, _, version = metric.rpartition("/")
        metrics[name] = {"version": version, "options": about.options, "faces": about.backends}
    return {
        "seed": run.config.get("seed", 0),
        "device": device_type(run.device) if run.device else "",
        "suites": {name: suite.digest for name, suite in run.suites.items()},
        "metrics": metrics,
        "faces": models,
        "methods": dict(_method_options(run)),
    }


def _method_options(run: RunFile) -> Iterator[tuple[str, dict[str, Any]]]:
    """The options that a run was asked for, by label as configured: defaults may change with the code under test."""
    for spec in [run.config.get("baseline"), *run.config.get("methods", [])]:
        if spec:
            options = {name: value for name, value in spec["options"].items() if name not in _PLACES}
            yield spec["label"], {"name": spec["name"], **options}


def _rows(data: RunData) -> Iterator[Row]:
    frame = tidy_frame(data)
    values = case_values(frame).reset_index()
    scores = dict(iter(values.groupby(["suite", "method", "case"], sort=False, observed=True)))
    pending = frame[frame["status"] == Status.MISSING].groupby(["suite", "method", "case"], observed=True)["reason"]
    unfinished = pending.first().to_dict()
    for item in data.plan:
        if data.run.is_control(item.method):
            continue
        name = (item.suite, item.method, item.case)
        made = data.store.records.get(("generate", item.key))
        status, reason = Status.OK, ""
        if name in unfinished:
            status, reason = Status.MISSING, str(unfinished[name])
        elif made is not None and made["status"] != Status.OK:
            status, reason = Status(made["status"]), str(made["reason"])
        names = {"suite": item.suite, "method": item.method, "case": item.case}
        names |= {"identity": item.identity, "driving": item.driving, "status": status, "reason": reason}
        yield Row.model_validate(names | (_numbers(scores.get(name)) | _cost(made) if status is Status.OK else {}))


def _numbers(scores: pd.DataFrame | None) -> dict[str, Any]:
    if scores is None:
        return {}
    rows = list(zip(scores["metric"], scores["value"], scores["coverage"], strict=True))
    values = {metric: None if pd.isna(value) else _rounded(value, 6) for metric, value, _ in rows}
    coverage = {metric: _rounded(share, 6) for metric, _, share in rows if share != 1}
    return {"values": values, "coverage": coverage}


def _cost(made: dict[str, Any] | None) -> dict[str, float]:
    if made is None:
        return {}
    return {
        "seconds": _rounded(made["seconds"], 3),
        "mebibytes": _rounded(made["peak_bytes"] / 2**20, 3),
    }


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
