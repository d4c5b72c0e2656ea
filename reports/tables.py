"""Means: per suite, of each metric for each method, with coverage and the number of cases; and what is missing."""

from __future__ import annotations

import pandas as pd

from ..core.errors import Status
from ..harness.run_file import RunFile
from .records_frame import case_values

LOW_COVERAGE = 0.95
"""Below this share of frames with a value a report warns of a mean."""


def summarise(frame: pd.DataFrame, run: RunFile) -> pd.DataFrame:
    """Average a tidy frame.

    A case's value is the mean over its frames that have one, a method's the mean over its cases that have one: long
    clips do not outweigh short ones. Coverage says what was left out: the mean over all planned cases of the share of
    frames that have a value.

    Args:
        frame: The tidy frame of :func:`reports.records_frame.tidy`.
        run: The run's ``run.json``.

    Returns:
        One row per suite, method and metric, in plan order, with the columns suite, method, metric, unit,
        higher_is_better, mean, coverage, n, cases, backend, grade, method_grade.
    """
    table = (
        case_values(frame)
        .groupby(["suite", "method", "metric"], sort=False, observed=True)
        .agg(
            mean=("value", "mean"),
            coverage=("coverage", "mean"),
            n=("value", "count"),
            cases=("value", "size"),
            backend=("backend", "first"),
            grade=("grade", "first"),
        )
        .reset_index()
    )
    about = run.metrics
    table.insert(3, "unit", [about[name].unit for name in table["metric"]])
    table.insert(4, "higher_is_better", [about[name].higher_is_better for name in table["metric"]])
    table["method_grade"] = [run.method_grades.get(method, "real") for method in table["method"]]
    return table


def failures(frame: pd.DataFrame) -> pd.DataFrame:
    """How many cases of each method lack values, by suite, method and status, with the first one as an example."""
    bad = frame[frame["status"] != Status.OK]
    return (
        bad.groupby(["suite", "method", "status"], sort=False, observed=True)
        .agg(cases=("case", "nunique"), values=("case", "size"), example=("case", "first"), reason=("reason", "first"))
        .reset_index()
    )


def low_coverage(table: pd.DataFrame) -> list[str]:
    """Methods whose means leave out more than 5 % of the frames somewhere."""
    return list(dict.fromkeys(table.loc[table["coverage"] < LOW_COVERAGE, "method"]))
