"""The report in the terminal: plain aligned lines, of which nothing is cut, whatever the width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from ...core.files import human_size
from ..model import ReportModel
from .markdown import coverage_warning
from .numbers import delta_text, duration, interval_text, mean_text, method_text, metric_text, number, percent
from .verdict import interval_notes, primary_gaps, verdict

_COLOURS = {"better": "green", "worse": "red"}
_INDENT = "  "


@dataclass(frozen=True)
class _Line:
    """A row of a table: a label on the left, cells aligned right, one of them perhaps in colour."""

    label: str
    cells: Sequence[str] = ()
    style: str = ""


def print_results(console: Console, model: ReportModel, *, all_metrics: bool = False) -> None:
    """Print a report's numbers: per suite the primary metrics, on request all others, and what is missing.

    Args:
        console: Where to; its width decides whether names stand beside their numbers or above them.
        model: The report.
        all_metrics: Whether to print the exploratory metrics as well.
    """
    for suite in model.suites:
        _print_suite(console, model, suite, all_metrics=all_metrics)
    if warning := coverage_warning(model.low_coverage):
        _say(console, warning, "yellow")
    for row in model.failures.to_dict("records"):
        log = f" ({row['log']})" if row["log"] else ""
        counts = f"{row['cases']} cases, {row['values']} values"
        _say(console, f"{row['suite']}, {row['method']}: {row['status']} in {counts}: {row['reason']}{log}", "yellow")
    for note in model.notes:
        _say(console, note, "yellow")


def print_side_by_side(console: Console, table: pd.DataFrame, differences: Sequence[str]) -> None:
    """Print means of runs whose numbers may mean different things: in the order given, without deltas or verdicts.

    Args:
        console: Where to.
        table: Summaries with a column ``run``.
        differences: In what the runs differ.
    """
    for suite, own in table.groupby("suite", sort=False):
        _say(console, f"{suite}, side by side, unranked", "bold")
        lines = []
        for metric, rows in own.groupby("metric", sort=False):
            lines.append(_Line(f"{metric}  [{rows['unit'].iloc[0]}]", style="bold"))
            for _, row in rows.iterrows():
                cells = [mean_text(row), f"n {row['n']}/{row['cases']}"]
                lines.append(_Line(f"{_INDENT}{row['run']}: {method_text(row)}", cells))
        _print_lines(console, lines)
    for line in differences:
        _say(console, line, "yellow")
    if differences:
        _say(console, "These numbers do not mean the same: no differences, no verdict.", "bold yellow")


def print_closing(console: Console, model: ReportModel, page: Path) -> None:
    """Print what a report ends with: where the page lies, and the verdict."""
    _say(console, f"report: {page}")
    _say(console, verdict(model), "bold")


def print_cost(console: Console, costs: pd.DataFrame) -> None:
    """Work of all records in the folder by stage, phase and method; phases are parts of the line above them."""
    lines = [_Line("stage, method", ["pieces", "time", "each", "peak memory"])]
    for row in costs.sort_values(["stage", "method", "phase"]).to_dict("records"):
        peak = "" if pd.isna(row["peak_bytes"]) else human_size(row["peak_bytes"])
        each = duration(row["seconds"] / row["records"])
        name = f"  {row['phase']}" if row["phase"] else row["stage"]
        label = f"{name} {row['method']}".rstrip()
        lines.append(_Line(label, [str(row["records"]), duration(row["seconds"]), each, peak]))
    _say(console, "Time and memory", "bold")
    _print_lines(console, lines)


def _print_suite(console: Console, model: ReportModel, suite: str, *, all_metrics: bool) -> None:
    summary = model.summary[model.summary["suite"] == suite]
    compared = model.comparison[model.comparison["suite"] == suite]
    about = f"{int(summary['cases'].max())} cases"
    against = f"vs. {compared['baseline'].iloc[0]}, {about}" if len(compared) else about
    primary, others = summary[summary["primary"]], summary[~summary["primary"]]
    _say(console, f"{suite}: {against}, primary metrics", "bold")
    _print_lines(console, _blocks(model, suite, primary))
    if primary.empty:
        _say(console, f"{_INDENT}none was measured")
    shown = summary if all_metrics or primary.empty else primary
    for gap in primary_gaps(model, suite):
        _say(console, f"{_INDENT}{gap}", "yellow")
    if len(others) and (all_metrics or primary.empty):
        _say(console, f"{suite}: exploratory metrics, no verdict", "bold")
        _print_lines(console, _blocks(model, suite, others))
        for name, reason in model.run.left_out.get(suite, {}).items():
            _say(console, f"{_INDENT}left out: {name}: {reason}")
    elif len(others):
        _say(console, f"{_INDENT}and {others['metric'].nunique()} exploratory metrics: --all-metrics, or the report")
    for line in _detail_lines(model.details[model.details["suite"] == suite], set(shown["metric"])):
        _say(console, f"{_INDENT}{line}")
    for note in interval_notes(compared[compared["primary"]] if len(primary) and not all_metrics else compared):
        _say(console, f"{_INDENT}{note}")
    if grades := sorted(set(summary["grade"]) - {"real"}):
        _say(console, f"face models: {'; '.join(grades)}", "bold yellow")


def _detail_lines(details: pd.DataFrame, metrics: set[str]) -> list[str]:
    """A line per metric that has a mask or a cap: the mask's share of the frame, and frames at the cap by method."""
    lines = []
    for metric, rows in details[details["metric"].isin(metrics)].groupby("metric", sort=False):
        parts = []
        if rows["mask"].notna().any():
            share = percent(float(rows["mask_fraction"].mean()), 1)
            parts.append(f"{rows['mask'].dropna().iloc[0]} mask, {share} of the frame on average")
        capped = [f"{row['method']} {row['capped']:.0f}" for row in rows.to_dict("records") if row["capped"] > 0]
        if rows["capped"].notna().any():
            parts.append(f"frames at the cap: {', '.join(capped) or 'none'}")
        lines.append(f"{metric}: {'; '.join(parts)}")
    return lines


def _blocks(model: ReportModel, suite: str, summary: pd.DataFrame) -> list[_Line]:
    """A block per metric: its name, then a line per method."""
    compared = model.comparison[model.comparison["suite"] == suite].set_index(["method", "metric"])
    common = model.common[model.common["suite"] == suite]
    lines = []
    for metric, rows in summary.groupby("metric", sort=False):
        first = rows.iloc[0]
        lines.append(_Line(f"{metric_text(first)}  [{first['unit']}]", style="bold"))
        for _, row in rows.iterrows():
            key = (row["method"], metric)
            cells, style = _compared(compared.loc[key]) if key in compared.index else (["", "", "", ""], "")
            lines.append(_Line(_INDENT + method_text(row), [mean_text(row), *cells], style))
        for shared in common[common["metric"] == metric].to_dict("records"):
            label = f"{_INDENT}{shared['method']}, the {shared['n']} of {shared['cases']} cases that all have"
            lines.append(_Line(label, [number(shared["mean"]), "", "", "", ""]))
    return lines


def _compared(row: Any) -> tuple[list[str], str]:
    """Delta, interval, win rate and verdict of a row, and the verdict's colour."""
    interval = "" if pd.isna(row["low"]) else interval_text(row)
    word = "" if row["verdict"] == "exploratory" else row["verdict"]
    return [delta_text(row), interval, f"win {percent(row['win_rate'])}", word], _COLOURS.get(word, "")


def _print_lines(console: Console, lines: Sequence[_Line]) -> None:
    """Print lines with their cells in columns; where that is wider than the console, cells go below their label."""
    count = max((len(line.cells) for line in lines), default=0)
    widths = [max((len(line.cells[index]) for line in lines if line.cells), default=0) for index in range(count)]
    cells_width = sum(width + 2 for width in widths)
    label_width = max((len(line.label) for line in lines if line.cells), default=0)
    beside = len(_INDENT) + label_width + cells_width <= console.width
    for line in lines:
        cells = "".join(f"  {cell:>{width}}" for cell, width in zip(line.cells, widths, strict=False))
        if beside or not line.cells:
            _say(console, f"{_INDENT}{line.label:<{label_width}}{cells}".rstrip(), line.style)
        else:
            _say(console, f"{_INDENT}{line.label}")
            _say(console, f"{_INDENT}{_INDENT}{cells}".rstrip(), line.style)


def _say(console: Console, text: str, style: str = "") -> None:
    """Print a line that the terminal may fold and nobody cuts."""
    console.print(Text(text, style), soft_wrap=True)
