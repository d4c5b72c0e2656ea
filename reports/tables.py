"""Means: per suite, of each metric for each method, with coverage and the number of cases; and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import Status
from ..harness.run_file import RunFile
from ..harness.stages.jobs import log_name
from ..methods.base import MethodRole
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
        One row per suite, method and metric, in plan order with the controls last, with the columns suite, method,
        metric, unit, higher_is_better, mean, coverage, n, cases, backend, grade, method_grade, method_role, primary.
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
    table["method_role"] = [run.method_roles.get(method, str(MethodRole.COMPETITOR)) for method in table["method"]]
    pairs = zip(table["suite"], table["metric"], strict=True)
    table["primary"] = [metric in run.primary.get(suite, []) for suite, metric in pairs]
    suites = {suite: index for index, suite in enumerate(dict.fromkeys(table["suite"]))}
    order = table.assign(suite=table["suite"].map(suites), last=table["method_role"] != MethodRole.COMPETITOR)
    return table.loc[order.sort_values(["suite", "last"], kind="stable").index].reset_index(drop=True)


def common_cases(frame: pd.DataFrame, run: RunFile) -> pd.DataFrame:
    """Means over the cases that all competitors have a value for, where they differ in which cases these are.

    Args:
        frame: The tidy frame of :func:`reports.records_frame.tidy`.
        run: The run's ``run.json``.

    Returns:
        One row per suite, metric and competitor, with the columns suite, method, metric, mean, n (common cases), cases
        (planned ones); only of metrics whose competitors have values for different cases. A competitor without any
        takes no part.
    """
    values = case_values(frame)["value"].reset_index()
    values = values[~values["method"].map(run.is_control).astype(bool)]
    rows = []
    for (suite, metric), part in values.groupby(["suite", "metric"], sort=False, observed=True):
        wide = part.pivot(index="case", columns="method", values="value")
        wide = wide[[method for method in part["method"].unique() if wide[method].notna().any()]]
        has = wide.notna()
        if has.all(axis=1).equals(has.any(axis=1)):
            continue
        common = wide[has.all(axis=1)]
        for method in wide.columns:
            rows.append([suite, method, metric, common[method].mean(), len(common), len(wide)])
    return pd.DataFrame(rows, columns=["suite", "method", "metric", "mean", "n", "cases"])


def failures(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """How many cases of each method lack values, and why.

    Args:
        frame: The tidy frame of :func:`reports.records_frame.tidy`.
        folder: The run folder; its ``logs`` hold the tracebacks.

    Returns:
        One row per suite, method, status and reason with the columns suite, method, status, cases, values, reason,
        example (the first case) and log (the file of the example's traceback; "" where there is none).
    """
    bad = frame[frame["status"] != Status.OK]
    table = (
        bad.groupby(["suite", "method", "status", "reason"], sort=False, observed=True)
        .agg(cases=("case", "nunique"), values=("case", "size"), example=("case", "first"), stage=("stage", "first"))
        .reset_index()
    )
    logs = sorted((folder / "logs").glob("*.txt"), key=lambda path: path.stat().st_mtime)
    names = zip(table["stage"], table["example"], table["method"], strict=True)
    table["log"] = [_log(logs, *name) for name in names]
    return table[["suite", "method", "status", "cases", "values", "reason", "example", "log"]]


def _log(logs: Sequence[Path], stage: str, case: str, method: str) -> str:
    """The latest log of a job."""
    start = f"{stage.title()}Job-{log_name(f'{case} · {method}')}-"
    found = [path.name for path in logs if path.name.startswith(start)]
    return f"logs/{found[-1]}" if found else ""


def low_coverage(table: pd.DataFrame) -> list[str]:
    """Methods whose means leave out more than 5 % of the frames somewhere."""
    return list(dict.fromkeys(table.loc[table["coverage"] < LOW_COVERAGE, "method"]))
