"""The plots of differences, times and losses that lie beside a paper's figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.manifest import SuiteKind
from ..case_plots import forest, heat_map, loss_curves, losses_of, over_time, pairs_of, scatter, time_curves
from ..model import ReportModel
from ..run_data import RunData
from .figures import figure_name, save_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CURVES = 3
"""Clips whose values over time are drawn: the first of the suite."""
Plot = tuple[str, str, Callable[[], "Figure"]]
"""Beginning of the file's name, caption, and what draws it."""


def draw_plots(model: ReportModel, data: RunData, folder: Path) -> list[tuple[str, str]]:
    """Draw the plots of every method with a baseline, suite by suite.

    Returns:
        Names and captions of the figures.
    """
    made = []
    for (suite, method), rows in model.comparison.groupby(["suite", "method"], sort=False):
        for start, caption, make in _plots(model, data, str(suite), str(method)):
            name = figure_name(start, str(suite), str(method))
            save_figure(make, folder / name)
            made.append((name, f"{suite}: {method} against {rows['baseline'].iloc[0]}. {caption}"))
    return made


def _plots(model: ReportModel, data: RunData, suite: str, method: str) -> Iterator[Plot]:
    table = model.comparison
    rows = table[(table["suite"] == suite) & (table["method"] == method)]
    baseline = str(rows["baseline"].iloc[0])
    if rows["low"].notna().any():
        yield (
            "forest",
            "Differences with their 95 % intervals; squares are primary metrics, green is better, orange worse.",
            lambda: forest(rows),
        )
    measured = set(rows["metric"])
    primary = [metric for metric in model.run.primary.get(suite, []) if metric in measured]  # AED is the last
    pairs = {metric: pairs_of(model.frame, suite, metric, method) for metric in primary}
    pairs = {metric: pair for metric, pair in pairs.items() if len(pair) > 1}  # one case is in the tables
    if pairs:
        better = {metric: model.run.metrics[metric].higher_is_better for metric in pairs}
        yield "scatter", "Each point is a case.", lambda: scatter(pairs, baseline, method, better)
        crossed = {metric: pair for metric, pair in pairs.items() if _is_crossed(pair)}
        if crossed and model.run.suites[suite].kind != SuiteKind.SELF_VIDEO:
            caption = "Differences by identity and driving; gray: no case."
            yield "heatmap", caption, lambda: heat_map(crossed, better)
    curves = {
        f"{case}: {metric}": curve
        for metric in primary[-1:]
        for case in list(dict.fromkeys(item.case for item in data.plan if item.suite == suite))[:CURVES]
        if len(curve := over_time(model.frame, suite, metric, case)) > 1
    }
    if curves:
        yield "time", "Values frame by frame.", lambda: time_curves(curves, [baseline, method])
    if losses := losses_of(data, suite, method):
        yield (
            "losses",
            "Losses of the tunings, not weighted; gray: cases, blue: their mean.",
            lambda: loss_curves(losses),
        )


def _is_crossed(pair: pd.DataFrame) -> bool:
    """Whether there are several identities and several drivings: a map of one row is a worse scatter plot."""
    return bool((pair[["identity", "driving"]].nunique() > 1).all())
