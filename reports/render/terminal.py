"""The tables of a report in the terminal: means, and the comparison with the baseline."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...core.files import human_size
from ..model import ReportModel
from .markdown import coverage_warning
from .numbers import delta_text, duration, interval_text, mean_text, method_text, metric_text, percent

_COLOURS = {"better": "green", "worse": "red", "unclear": ""}


def print_tables(console: Console, model: ReportModel) -> None:
    """Print what a report says: per suite the means, and the deltas to the baseline where there is one."""
    for suite, part in model.summary.groupby("suite", sort=False):
        console.print(_means(str(suite), part))
        compared = model.comparison[model.comparison["suite"] == suite]
        if len(compared):
            console.print(_deltas(str(suite), compared))
        grades = sorted(set(part["grade"]) - {"real"})
        if grades:
            console.print(f"face models: {'; '.join(grades)}", style="bold yellow")
    if warning := coverage_warning(model.low_coverage):
        console.print(warning, style="yellow")
    for note in model.notes:
        console.print(note, style="yellow", soft_wrap=True)


def _means(suite: str, part: pd.DataFrame) -> Table:
    """Metrics down and methods across: there are more metrics than methods."""
    methods = list(dict.fromkeys(part["method"]))
    shown = Table(title=suite, title_justify="left")
    shown.add_column("metric")
    for method in methods:
        shown.add_column(method_text(part[part["method"] == method].iloc[0]), justify="right")
    for _, rows in part.groupby("metric", sort=False):
        own = rows.set_index("method")
        shown.add_row(metric_text(rows.iloc[0]), *(mean_text(own.loc[method]) for method in methods))
    return shown


def _deltas(suite: str, part: pd.DataFrame) -> Table:
    """A block per method; its name stands over its metrics, so that the table stays narrow."""
    shown = Table(title=f"{suite}: vs. {part['baseline'].iloc[0]}", title_justify="left")
    shown.add_column("metric", overflow="fold")
    for title in ("delta", "95% interval", "win rate"):
        shown.add_column(title, justify="right")
    shown.add_column("verdict")
    for _, rows in part.groupby("method", sort=False):
        shown.add_section()
        shown.add_row(Text(method_text(rows.iloc[0]), "bold"))
        for _, row in rows.iterrows():
            verdict = Text(row["verdict"], _COLOURS[row["verdict"]])
            cells = [metric_text(row), delta_text(row), interval_text(row), percent(row["win_rate"])]
            shown.add_row(*cells, verdict)
    return shown


def print_cost(console: Console, costs: pd.DataFrame) -> None:
    """Work of all records in the folder by stage, phase and method; phases are parts of the line above them."""
    shown = Table(title="Time and memory", title_justify="left")
    shown.add_column("stage")
    shown.add_column("method")
    for name in ("pieces", "time", "each", "peak memory"):
        shown.add_column(name, justify="right")
    for row in costs.sort_values(["stage", "method", "phase"]).to_dict("records"):
        peak = "" if pd.isna(row["peak_bytes"]) else human_size(row["peak_bytes"])
        each = duration(row["seconds"] / row["records"])
        name = f"  {row['phase']}" if row["phase"] else row["stage"]
        shown.add_row(name, row["method"], str(row["records"]), duration(row["seconds"]), each, peak)
    console.print(shown)
