"""Tables: per suite, the mean of each metric for each method, with coverage and the number of cases."""

from __future__ import annotations

import math

import pandas as pd

from ..core.errors import Status
from ..harness.run_file import RunFile
from .records_frame import case_values

LOW_COVERAGE = 0.95
"""Below this share of frames with a value a mean is printed with a warning."""


def summarise(frame: pd.DataFrame, run: RunFile) -> pd.DataFrame:
    """Average a tidy frame.

    A case's value is the mean over its frames that have one, a method's the mean over its cases that have one: long
    clips do not outweigh short ones. Coverage says what was left out: the mean over all planned cases of the share of
    frames that have a value.

    Args:
        frame: The tidy frame of :func:`reports.frame.tidy`.
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


def csv_text(table: pd.DataFrame) -> str:
    """A summary as CSV, numbers with nine significant digits."""
    return table.to_csv(index=False, float_format="%.9g", lineterminator="\n")


def markdown_table(table: pd.DataFrame, suite: str) -> str:
    """One suite's summary as a Markdown table: a row per method, a column per metric.

    Cells read "mean", with the coverage behind it where it is under 100 %. ``n`` is the number of cases with a value,
    "18/20" where some of the planned ones have none.
    """
    part = table[table["suite"] == suite]
    metrics = list(dict.fromkeys(part["metric"]))
    headers = ["method", *(header(part[part["metric"] == metric].iloc[0]) for metric in metrics), "n"]
    rows = []
    for method in dict.fromkeys(part["method"]):
        own = part[part["method"] == method].set_index("metric")
        cells = [cell(own.loc[metric]) if metric in own.index else "-" for metric in metrics]
        rows.append([stamped(own.iloc[0]), *cells, _count(int(own["n"].min()), int(own["cases"].max()))])
    return markdown(headers, rows)


def failures(frame: pd.DataFrame) -> pd.DataFrame:
    """How many cases of each method lack values, by suite, method and status, with the first one as an example."""
    bad = frame[frame["status"] != Status.OK]
    return (
        bad.groupby(["suite", "method", "status"], sort=False, observed=True)
        .agg(cases=("case", "nunique"), values=("case", "size"), example=("case", "first"), reason=("reason", "first"))
        .reset_index()
    )


def low_coverage(table: pd.DataFrame) -> str:
    """One sentence of warning when means leave out more than 5 % of the frames somewhere; "" otherwise."""
    low = table[table["coverage"] < LOW_COVERAGE]
    if low.empty:
        return ""
    methods = ", ".join(dict.fromkeys(low["method"]))
    return f"Coverage is under {LOW_COVERAGE:.0%} for {methods}: their means leave out what the others' hold."


def markdown(headers: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column is aligned left, the others right."""
    lines = [_line(headers), "| --- |" + " ---: |" * (len(headers) - 1), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """A value with three decimals, or with none where it is large.

    >>> number(0.12345), number(23.4567), number(1234.5), number(float("nan"))
    ('0.123', '23.457', '1234', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def stamped(row: pd.Series) -> str:
    """The name of a row's method, with its grade behind it where what it makes is no measurement."""
    method, grade = row["method"], row["method_grade"]
    return str(method) if grade == "real" else f"{method} ({grade})"


def header(row: pd.Series) -> str:
    """A metric with its direction, and with the grade of its face models where they measure nothing real."""
    stamp = "" if row["grade"] == "real" else f" ({row['grade']})"
    return f"{row['metric']} {'↑' if row['higher_is_better'] else '↓'}{stamp}"


def cell(row: pd.Series) -> str:
    """A summary row as "mean", with the coverage behind it where it is under 100 %."""
    text = number(float(row["mean"]))
    return text if row["coverage"] > 1 - 1e-12 else f"{text} ({row['coverage']:.1%})"


def _count(scored: int, planned: int) -> str:
    return str(planned) if scored == planned else f"{scored}/{planned}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
