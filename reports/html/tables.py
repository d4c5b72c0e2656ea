"""Tables of the report model as cells that the page's template lays out; numbers are printed as everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..model import ReportModel
from ..render.numbers import (
    MISSING,
    Row,
    count_text,
    delta_text,
    interval_text,
    mean_text,
    method_text,
    metric_text,
    percent,
    stamped_metric,
)

FOREST_WIDTH = 240
"""Width of a forest plot in its own units; zero is in the middle."""
_REACH = 0.46
"""Share of the width that the widest interval of a metric takes to one side of zero."""


@dataclass(frozen=True)
class Cell:
    """One method and one metric.

    Attributes:
        mean: The mean, with its coverage where that is under 100 %.
        delta: The difference from the baseline; "" for methods without one.
        interval: Its interval, or why there is none.
        verdict: See :data:`reports.compare.VERDICTS`; "" without a baseline.
        win: Win rate.
    """

    mean: str
    delta: str = ""
    interval: str = ""
    verdict: str = ""
    win: str = ""


@dataclass(frozen=True)
class Table:
    """A suite's means and differences: a row per method, a column per metric.

    Attributes:
        metrics: Heads of the columns: id with direction, what it measures, its unit.
        rows: Method, its cells, and the number of cases.
    """

    metrics: list[dict[str, str]]
    rows: list[tuple[str, list[Cell], str]]


def table(model: ReportModel, suite: str, *, primary: bool) -> Table:
    """The primary or the exploratory metrics of a suite."""
    part = model.summary[(model.summary["suite"] == suite) & (model.summary["primary"] == primary)]
    compared = {(row["method"], row["metric"]): row for row in _rows(model.comparison, suite)}
    means = {(row["method"], row["metric"]): row for row in _rows(model.summary, suite)}
    metrics = list(dict.fromkeys(part["metric"]))
    heads = []
    for metric in metrics:
        first = part[part["metric"] == metric].iloc[0]
        heads.append({"name": stamped_metric(first), "title": model.run.metrics[metric].title, "unit": first["unit"]})
    rows = []
    for method in dict.fromkeys(part["method"]):
        own = part[part["method"] == method]
        cells = [_cell(means.get((method, metric)), compared.get((method, metric))) for metric in metrics]
        count = count_text(int(own["n"].min()), int(own["cases"].max()))
        rows.append((method_text(own.iloc[0]), cells, count))
    return Table(heads, rows)


def forest(model: ReportModel, suite: str) -> list[dict[str, Any]]:
    """Deltas of the primary metrics with their intervals as places on a line, gains to the right, a scale per metric.

    Returns:
        A row per metric and method: names, texts, and x positions of low, delta and high (None without an interval).
    """
    part = [row for row in _rows(model.comparison, suite) if row["primary"]]
    rows: list[dict[str, Any]] = []
    for metric in dict.fromkeys(row["metric"] for row in part):
        own = [row for row in part if row["metric"] == metric]
        ends = [abs(float(row[name])) for row in own for name in ("low", "delta", "high")]
        widest = max((end for end in ends if not math.isnan(end)), default=0.0)
        for row in own:
            sign = 1 if row["higher_is_better"] else -1
            low, delta, high = (_place(sign * row[name], widest) for name in ("low", "delta", "high"))
            ends_x = (low, high) if sign > 0 else (high, low)
            rows.append(
                {
                    "metric": metric_text(row),
                    "method": row["method"],
                    "verdict": row["verdict"],
                    "text": f"{delta_text(row)} {_interval(row)}",
                    "x": delta,
                    "low": ends_x[0],
                    "high": ends_x[1],
                    "first": metric != (rows[-1]["id"] if rows else None),
                    "id": metric,
                }
            )
    return rows


def comparison_rows(model: ReportModel, suite: str) -> list[dict[str, str]]:
    """All differences of a suite, primary metrics first."""
    part = sorted(_rows(model.comparison, suite), key=lambda row: not row["primary"])
    return [
        {
            "method": method_text(row),
            "metric": stamped_metric(row),
            "delta": f"{delta_text(row)} {interval_text(row)}",
            "verdict": row["verdict"],
            "win rate": percent(row["win_rate"]),
            "pairs": count_text(row["pairs"], row["cases"]),
            "df": str(row["df"]) if row["df"] else MISSING,
            "coverage, baseline": percent(row["baseline_coverage"], 1),
            "coverage": percent(row["coverage"], 1),
            "gap closed": percent(row["gap_closed"]),
        }
        for row in part
    ]


def _cell(own: Row | None, compared: Row | None) -> Cell:
    if own is None:
        return Cell(MISSING)
    if compared is None:
        return Cell(mean_text(own))
    verdict, win = str(compared["verdict"]), percent(compared["win_rate"])
    return Cell(mean_text(own), delta_text(compared), _interval(compared), verdict, win)


def _interval(row: Row) -> str:
    """The interval of a row; why there is none stands once below the table."""
    return "(no interval)" if math.isnan(float(row["low"])) else interval_text(row)


def _rows(table: pd.DataFrame, suite: str) -> list[dict[str, Any]]:
    """A suite's rows of a table of the model, as dicts."""
    return [
        {str(name): value for name, value in row.items()} for row in table[table["suite"] == suite].to_dict("records")
    ]


def _place(value: float, widest: float) -> float | None:
    if math.isnan(value):
        return None
    return round(FOREST_WIDTH * (0.5 + (_REACH * value / widest if widest else 0.0)), 2)
