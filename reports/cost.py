"""What a run cost: seconds of work and peak memory by stage, phase and method."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from ..harness.store import Record, Store
from ..methods.phases import PEAK, RATE, SECONDS

WHOLE = ""
"""The phase of rows that are about a whole stage; the other phases are parts of it."""

_COLUMNS = ["stage", "phase", "method", "seconds", "peak_bytes", "calls", "steps"]


def cost(store: Store) -> pd.DataFrame:
    """Seconds and peak memory over all records of a folder.

    Args:
        store: Loaded.

    Returns:
        A row per stage and method, and one per phase that a method tells of (a tuner's condition, pgt, tune, sample)
        with the columns stage, phase, method, records, seconds, peak_bytes, face_model_calls, steps_per_second. Seconds
        are sums over records, peaks the largest of one job or phase, and steps per second those of all records
        together; known for phases that count steps (tune, sample).
    """
    rows = [row for record in store.records.values() for row in _rows(record)]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    table = (
        frame.groupby(["stage", "phase", "method"], sort=True)
        .agg(
            records=("seconds", "size"),
            seconds=("seconds", "sum"),
            peak_bytes=("peak_bytes", "max"),
            face_model_calls=("calls", "sum"),
            steps=("steps", lambda own: own.sum(skipna=False)),
        )
        .reset_index()
        .astype({"peak_bytes": "Int64"})
    )
    return table.assign(steps_per_second=table["steps"] / table["seconds"]).drop(columns="steps")


def _rows(record: Record) -> Iterator[dict[str, Any]]:
    names = {"stage": record["stage"], "method": record.get("method", "")}
    yield names | {
        "phase": WHOLE,
        "seconds": record["seconds"],
        "peak_bytes": record["peak_bytes"],
        "calls": sum(record.get("calls", {}).values()),
        "steps": math.nan,
    }
    detail = record.get("detail", {})
    for name, value in detail.items():
        if name.startswith(SECONDS):
            phase = name.removeprefix(SECONDS)
            yield names | {
                "phase": phase,
                "seconds": value,
                "peak_bytes": detail.get(PEAK + phase),
                "calls": 0,
                "steps": value * detail.get(RATE + phase, math.nan),
            }
