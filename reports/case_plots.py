"""Plots that a person would look at besides the tables: differences by metric and case, values over time, losses.

The numbers behind each are a function of its own, so that they can be had without a picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..core.errors import Status
from .plots import COLOURS, POINTS
from .records_frame import case_values
from .run_data import RunData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHORT = {"ldm": "ldm", "gradient": "grad", "identity": "id"}
"""Losses as the paper calls them, in its order."""
_ORDER = {name: index for index, name in enumerate(_SHORT)}
_NO_CASE = "#c8c8c8"
"""Behind cells of a heat map; told apart from its white, which is no difference."""
_WIDTH, _HEIGHT = 3.6, 3.0
"""Size of a panel, in inches."""


def pairs_of(frame: pd.DataFrame, suite: str, metric: str, method: str) -> pd.DataFrame:
    """The case values of a method beside its baseline's.

    Args:
        frame: The tidy frame of :func:`reports.records_frame.tidy`.
        suite: Name of the suite.
        metric: Id of the metric.
        method: Label of a method with a baseline.

    Returns:
        By case, where both have a value: identity, driving, base, ours and delta (ours minus base).
    """
    values = case_values(frame[(frame["suite"] == suite) & (frame["metric"] == metric)]).reset_index()
    own = values[values["method"] == method].set_index("case")
    base = values[values["method"] == own["baseline"].iloc[0]].set_index("case")["value"]
    table = own[["identity", "driving"]].assign(base=base, ours=own["value"])
    return table.assign(delta=table["ours"] - table["base"]).dropna()


def over_time(frame: pd.DataFrame, suite: str, metric: str, case: str) -> pd.DataFrame:
    """The frame values of one case: frames by methods; empty for metrics that have one value per clip."""
    own = frame[(frame["suite"] == suite) & (frame["metric"] == metric) & (frame["case"] == case)]
    return own.dropna(subset=["frame"]).pivot(index="frame", columns="method", values="value")


def losses_of(data: RunData, suite: str, method: str) -> dict[str, list[list[float]]]:
    """The recorded losses of a method's tunings in a suite, by loss: a curve per case over its steps."""
    curves: dict[str, list[list[float]]] = {}
    for item in data.plan:
        made = data.store.records.get(("generate", item.key))
        if (item.suite, item.method) != (suite, method) or not made or made["status"] != Status.OK:
            continue
        for name, value in sorted(made["detail"].items()):
            if name.endswith("_trace"):
                curves.setdefault(name.removesuffix("_trace"), []).append(json.loads(str(value)))
    return {name: curves[name] for name in sorted(curves, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))}


def forest(comparison: pd.DataFrame) -> Figure:
    """Every difference of a method with its interval, in units of the interval's half width so that all fit one axis.

    Args:
        comparison: Rows of one suite and method; primary metrics are drawn strong.
    """
    from matplotlib.figure import Figure

    rows = comparison.dropna(subset=["low"]).to_dict("records")
    figure = Figure(figsize=(6.4, 0.8 + 0.28 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(reversed(rows)):
        half = (row["high"] - row["low"]) / 2 or 1.0
        gain = row["delta"] / half * (1 if row["higher_is_better"] else -1)
        colour = {"better": COLOURS[2], "worse": COLOURS[1]}.get(row["verdict"], "#444444")
        strong = bool(row["primary"])
        axes.plot([gain - 1, gain + 1], [place, place], color=colour, linewidth=2.5 if strong else 1.2)
        axes.plot([gain], [place], color=colour, marker="s" if strong else "o", markersize=5)
    axes.tick_params(axis="x", labelsize=7)
    labels = [f"{row['metric']}  {row['delta']:+.3g}" for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), labels, fontsize=7)
    axes.axvline(0, color=POINTS, linestyle="--", linewidth=1)
    axes.set_xlabel("difference from the baseline in half widths of its 95 % interval; right is better", fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def scatter(
    pairs: Mapping[str, pd.DataFrame], baseline: str, method: str, higher_is_better: Mapping[str, bool]
) -> Figure:
    """A panel per metric: each case's value for the baseline and for the method; the diagonal is no difference."""
    figure, panels = _panels(len(pairs))
    for axes, (metric, table) in zip(panels, pairs.items(), strict=True):
        both = table[["base", "ours"]].to_numpy()
        ends = [both.min(), both.max()] if len(both) else [0.0, 1.0]
        axes.plot(ends, ends, color=POINTS, linestyle="--", linewidth=1)
        axes.scatter(table["base"], table["ours"], s=14, color=COLOURS[0], alpha=0.8)
        axes.set_title(f"{metric}; gains lie {'above' if higher_is_better[metric] else 'below'} the line", fontsize=8)
        axes.set_aspect("equal", "datalim")
        axes.set_xlabel(baseline, fontsize=8)
        axes.set_ylabel(method, fontsize=8)
    return figure


def heat_map(pairs: Mapping[str, pd.DataFrame], higher_is_better: Mapping[str, bool]) -> Figure:
    """A panel per metric: differences by identity and driving, blue where the method is better, gray without a case."""
    figure, panels = _panels(len(pairs))
    for axes, (metric, table) in zip(panels, pairs.items(), strict=True):
        grid = table.pivot(index="identity", columns="driving", values="delta")
        largest = float(np.nanmax(np.abs(grid.to_numpy()), initial=0.0)) or 1.0
        colours = "RdBu" if higher_is_better[metric] else "RdBu_r"
        axes.set_facecolor(_NO_CASE)
        image = axes.imshow(grid.to_numpy(), cmap=colours, vmin=-largest, vmax=largest, aspect="auto")
        axes.set_xticks(range(len(grid.columns)), list(grid.columns), rotation=90, fontsize=6)
        axes.set_yticks(range(len(grid.index)), list(grid.index), fontsize=6)
        axes.set_xlabel("driving", fontsize=8)
        axes.set_ylabel("identity", fontsize=8)
        axes.set_title(f"{metric}: difference, gains blue", fontsize=8)
        figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    return figure


def time_curves(curves: Mapping[str, pd.DataFrame], methods: Sequence[str]) -> Figure:
    """A panel per case: a metric frame by frame, a line per method."""
    figure, panels = _panels(len(curves))
    for axes, (title, table) in zip(panels, curves.items(), strict=True):
        for index, method in enumerate(methods):
            if method in table:
                line = table[method].astype("float64")
                axes.plot(list(table.index), line, color=COLOURS[index % len(COLOURS)], label=method, linewidth=1.2)
        axes.set_title(title, fontsize=8)
        axes.set_xlabel("frame", fontsize=8)
    panels[0].legend(fontsize=6)
    return figure


def loss_curves(losses: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """A panel per loss, not weighted: each case faint, the mean of all strong, over the share of the steps done."""
    figure, panels = _panels(len(losses))
    for axes, (name, curves) in zip(panels, losses.items(), strict=True):
        length = min(len(curve) for curve in curves)
        for curve in curves:
            axes.plot(np.linspace(0, 1, len(curve)), curve, color=POINTS, linewidth=0.6, alpha=0.7)
        mean = np.mean([curve[:length] for curve in curves], axis=0)
        axes.plot(np.linspace(0, 1, length), mean, color=COLOURS[0], linewidth=2)
        axes.set_title(f"L_{_SHORT.get(name, name)}", fontsize=8)
        axes.set_xlabel("share of the steps", fontsize=8)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH * count, _HEIGHT), layout="constrained")
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for axes in panels:
        axes.tick_params(labelsize=7)
    return figure, panels
