"""What pixel metrics rest on: the share of the frame that their masks cover, and frames at the cap."""

from __future__ import annotations

import json

import pandas as pd

DETAIL_COLUMNS = ["suite", "method", "metric", "mask", "mask_fraction", "capped", "frames"]


def score_details(frame: pd.DataFrame) -> pd.DataFrame:
    """Gather what metrics say of their masks and caps.

    Args:
        frame: The tidy frame of :func:`reports.records_frame.tidy`.

    Returns:
        One row per suite, method and metric that says any of it, with :data:`DETAIL_COLUMNS`: ``mask_fraction`` is the
        mean over cases of the mean over frames, ``capped`` the number of frames at the metric's largest value (missing
        where it has none), ``frames`` the number of frames with a value.
    """
    cases = (
        frame[frame["detail"] != ""]
        .groupby(["suite", "method", "metric", "case"], sort=False, observed=True)
        .agg(detail=("detail", "first"), frames=("value", "count"))
        .reset_index()
    )
    told = pd.DataFrame([json.loads(text) for text in cases["detail"]], index=cases.index)
    told = told.reindex(columns=["mask", "mask_fraction", "capped"])
    table = cases.drop(columns="detail").join(told.astype({"mask_fraction": "float64", "capped": "float64"}))
    table = table[table["mask"].notna() | table["capped"].notna()]
    return (
        table.groupby(["suite", "method", "metric"], sort=False, observed=True)
        .agg(
            mask=("mask", "first"),
            mask_fraction=("mask_fraction", "mean"),
            capped=("capped", lambda column: column.sum(min_count=1)),
            frames=("frames", "sum"),
        )
        .reset_index()[DETAIL_COLUMNS]
    )
