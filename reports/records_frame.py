"""All records of a run as one tidy DataFrame: a row per suite, case, method, metric and frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.digest import canonical_json
from ..core.errors import Status
from ..core.files import atomic_path
from ..harness.plan import PlanItem
from ..harness.store import Record, storing
from .run_data import RunData, read_run

COLUMNS = [
    "run",
    "suite",
    "case",
    "identity",
    "driving",
    "method",
    "baseline",
    "metric",
    "frame",
    "value",
    "status",
    "reason",
    "stage",
    "backend",
    "grade",
    "seconds",
    "peak_bytes",
    "detail",
]
"""Columns of the frame. ``stage`` is where the row's status arose, "generate" or "score"; ``frame`` is missing where a
value belongs to the whole clip or to a case that failed; ``detail`` is JSON text of what the metric says besides of the
whole case (mask, mask_fraction, capped, terms), "" where that is nothing."""

_REASONS = {
    Status.NO_FACE: "no face in a frame of the output, or of what it is compared with",
    Status.UNDEFINED: "the metric is not defined for these values (bench metrics explain)",
}


def tidy(folder: Path) -> pd.DataFrame:
    """Gather the records that belong to a run folder's plan; see :func:`tidy_frame`."""
    return tidy_frame(read_run(folder))


def tidy_frame(data: RunData) -> pd.DataFrame:
    """Gather the records that belong to a run's plan.

    Records of other configurations in the same folder are left out: only those whose keys the plan leads to count.

    Returns:
        A frame with :data:`COLUMNS`, in plan order. Outputs that could not be made give one row per metric with their
        status; work that has not been done yet, and outputs that are not what was scored, have the status ``missing``.
    """
    grades = {backend.name: backend.grade for backend in data.run.backends}
    about = {
        name: {
            "metric": name,
            "backend": "+".join(metric.backends),
            "grade": _worst(grades[backend] for backend in metric.backends),
        }
        for name, metric in data.run.metrics.items()
    }
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for item in data.plan:
        names = {
            "run": data.name,
            "suite": item.suite,
            "case": item.case,
            "identity": item.identity,
            "driving": item.driving,
            "method": item.method,
            "baseline": item.baseline,
        }
        for metric, record in _scores(data, item):
            for values in _values(record):
                for name, value in (names | about[metric] | values).items():
                    columns[name].append(value)
    frame = pd.DataFrame(columns)
    frame["frame"] = frame["frame"].astype("Int64")
    frame["value"] = frame["value"].astype("float64")
    return frame


def store_frame(folder: Path, frame: pd.DataFrame) -> None:
    """Write a run's tidy frame to its ``records.parquet``, atomically."""
    with storing(folder / "records.parquet"), atomic_path(folder / "records.parquet") as temporary:
        frame.to_parquet(temporary, index=False)


def case_values(frame: pd.DataFrame) -> pd.DataFrame:
    """Bring a tidy frame down to cases.

    Args:
        frame: A frame with :data:`COLUMNS`.

    Returns:
        One row per suite, method, metric and case, its index, in the frame's order: ``value`` is the mean over the
        frames that have one (NaN without any), ``coverage`` their share; identity, driving, baseline, backend and grade
        are the case's.
    """
    kept = {name: (name, "first") for name in ("identity", "driving", "baseline", "backend", "grade")}
    return (
        frame.assign(ok=frame["status"] == Status.OK)
        .groupby(["suite", "method", "metric", "case"], sort=False, observed=True)
        .agg(value=("value", "mean"), coverage=("ok", "mean"), **kept)
    )


def _scores(data: RunData, item: PlanItem) -> Iterator[tuple[str, Record]]:
    """The records of an item's metrics; those of failed, pending or changed outputs are made up."""
    made = data.store.records.get(("generate", item.key))
    for planned in item.metrics:
        if made is None:
            yield planned.id, _pending("generate", "not done yet")
        elif made["status"] != Status.OK:
            yield planned.id, made
        elif item.key in data.changed:
            yield planned.id, _pending("generate", "its file has changed since it was made: run the command again")
        else:
            pending = _pending("score", "not scored yet")
            yield planned.id, data.store.records.get(("score", planned.key(made)), pending)


def _pending(stage: str, reason: str) -> Record:
    return {"stage": stage, "status": Status.MISSING, "reason": reason}


def _values(record: Record) -> Iterator[dict[str, Any]]:
    kept = {"seconds": record.get("seconds", np.nan), "peak_bytes": record.get("peak_bytes", 0)}
    kept["stage"] = record["stage"]
    kept["detail"] = canonical_json(record["detail"]) if record["stage"] == "score" and record.get("detail") else ""
    values = record.get("values", [])
    if not values:
        reason = _reason(record["status"], record["reason"])
        yield kept | {"frame": None, "value": np.nan, "status": str(record["status"]), "reason": reason}
        return
    for index, (value, status) in enumerate(zip(values, record["value_status"], strict=True)):
        frame = index if len(values) > 1 else None
        number = np.nan if value is None else value
        reason = _reason(status, record["reason"])
        yield kept | {"frame": frame, "value": number, "status": str(status), "reason": reason}


def _reason(status: str, reason: str) -> str:
    """Why a value is missing, where its record does not say so: metrics give frames a status alone."""
    return reason or _REASONS.get(Status(status), "")


def _worst(grades: Iterator[str]) -> str:
    """What the numbers are worth: anything that is not a real measurement shows."""
    return ", ".join(sorted({grade for grade in grades if grade != "real"})) or "real"
