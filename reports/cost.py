"""What a run cost: seconds of work and peak memory by stage, phase and method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ..harness.store import Record, Store
from ..methods.phases import PREFIX

WHOLE = ""
"""The phase of rows that are about a whole stage; the other phases are parts of it."""

_COLUMNS = ["stage", "phase", "method", "seconds", "peak_bytes", "calls"]


def cost(store: Store) -> pd.DataFrame:
    """Seconds and peak memory over all records of a folder.

    Args:
        store: Loaded.

    Returns:
        A row per stage and method, and one per phase that a method tells of (a tuner's condition, pgt, tune, sample)
        with the columns stage, phase, method, records, seconds, peak_bytes, face_model_calls. Seconds are sums over
        records; peaks are the largest of one job, and known for whole stages only.
    """
    rows = [row for record in store.records.values() for row in _rows(record)]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    return (
        frame.groupby(["stage", "phase", "method"], sort=True)
        .agg(
            records=("seconds", "size"),
            seconds=("seconds", "sum"),
            peak_bytes=("peak_bytes", "max"),
            face_model_calls=("calls", "sum"),
        )
        .reset_index()
        .astype({"peak_bytes": "Int64"})
    )


def _rows(record: Record) -> Iterator[dict[str, Any]]:
    names = {"stage": record["stage"], "method": record.get("method", "")}
    yield names | {
        "phase": WHOLE,
        "seconds": record["seconds"],
        "peak_bytes": record["peak_bytes"],
        "calls": sum(record.get("calls", {}).values()),
    }
    for name, value in record.get("detail", {}).items():
        if name.startswith(PREFIX):
            yield names | {"phase": name.removeprefix(PREFIX), "seconds": value, "peak_bytes": None, "calls": 0}
