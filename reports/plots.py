"""Plots: means with 95 % intervals, over a number or over named rows. Equal numbers give equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue, vermilion, green, orange, purple, sky blue: told apart by colour-blind readers too (Okabe and Ito, 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9")
POINTS = "#999999"
DPI = 120
_PANEL = (4.0, 3.2)
_ROW, _FEW = 0.34, 7
_GAP = 0.1
"""Sizes in inches: a panel, a named row of one with more than few of them, the gap between panels."""
_SPREAD = 0.16
"""Half the width, in rows, over which the cases of a row are spread beside each other."""


@dataclass(frozen=True)
class Spot:
    """What one row of a table says about one metric.

    Attributes:
        x: Where it stands on the horizontal axis.
        mean: Over cases.
        low: Lower end of the interval around it; NaN where there is none.
        high: Upper end.
        cases: The cases' values.
        name: The row's label.
    """

    x: float
    mean: float
    low: float
    high: float
    cases: Sequence[float]
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """One metric in one suite.

    Attributes:
        title: Title above the panel.
        x_label: Label of the horizontal axis, with its unit.
        y_label: Label of the vertical axis, with its unit.
        spots: Points of the panel, from left to right.
        level: Reference value that the points are compared with, a dashed line.
        names: Tick labels under the points where these are table rows; empty where they are numbers.
    """

    title: str
    x_label: str
    y_label: str
    spots: Sequence[Spot]
    level: float
    names: Sequence[str] = ()


def draw(rows: Sequence[Sequence[Panel]]) -> Figure:
    """Draw panels in rows: lines with bands over numbers, points with bars over names."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = max(len(row) for row in rows)
    most = max(len(panel.names) for row in rows for panel in row)
    width, height = max(_PANEL[0], _ROW * most + 1.0), _PANEL[1] + (1.0 if most > _FEW else 0.0)
    figure = Figure(figsize=(width * columns, height * len(rows)), dpi=DPI)
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=_GAP, h_pad=_GAP))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for index, row in enumerate(rows):
        for column in range(columns):
            if column < len(row):
                _panel(axes[index][column], row[column], COLOURS[column % len(COLOURS)])
            else:
                axes[index][column].set_axis_off()
    return figure


def save(make: Callable[[], Figure], path: Path) -> None:
    """Draw and write a PNG under matplotlib's own settings, whatever the user's are, without date or version."""
    from matplotlib.style import context

    with context("default", after_reset=True):
        make().savefig(path, format="png", metadata={"Software": None})


def keep_readable(axes: Axes, panel: Panel) -> None:
    """Let intervals widen the vertical axis by no more than as much again as means and cases take of it.

    Those of few clusters are many times as wide, and the points would lie on one line; they run out of the panel.
    """
    shown = [panel.level, *(value for spot in panel.spots for value in (spot.mean, *spot.cases))]
    low, high = min(shown), max(shown)
    bottom, top = axes.get_ylim()
    if high > low:
        axes.set_ylim(max(bottom, 2 * low - high), min(top, 2 * high - low))


def _panel(axes: Axes, panel: Panel, colour: str) -> None:
    (_rows if panel.names else _line)(axes, panel, colour)
    keep_readable(axes, panel)
    axes.axhline(panel.level, color=POINTS, linewidth=1, linestyle="--", zorder=1)
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(True, axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _line(axes: Axes, panel: Panel, colour: str) -> None:
    """A curve of the means with a band."""
    x = [spot.x for spot in panel.spots]
    axes.fill_between(
        x,
        [spot.low for spot in panel.spots],
        [spot.high for spot in panel.spots],
        color=colour,
        alpha=0.18,
        linewidth=0,
    )
    axes.plot(x, [spot.mean for spot in panel.spots], color=colour, marker="o", markersize=4)
    axes.set_xticks(x)


def _rows(axes: Axes, panel: Panel, colour: str) -> None:
    """Means with bars, and the cases as faint points behind them."""
    for spot in panel.spots:
        count = len(spot.cases)
        beside = [spot.x + _SPREAD * (2 * (index + 0.5) / count - 1) for index in range(count)]
        axes.scatter(beside, spot.cases, color=POINTS, s=8, linewidth=0, alpha=0.7, zorder=2)
        axes.plot([spot.x, spot.x], [spot.low, spot.high], color=colour, linewidth=2, zorder=3)
        axes.plot([spot.x], [spot.mean], color=colour, marker="o", markersize=6, zorder=4)
    turned: Any = {"rotation": 90} if len(panel.names) > _FEW else {"rotation": 20, "ha": "right"}
    axes.set_xticks([spot.x for spot in panel.spots], panel.names, fontsize=8, **turned)
