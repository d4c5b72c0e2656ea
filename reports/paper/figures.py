"""Figures as PDF and SVG; equal numbers and pictures give equal bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.files import atomic_path
from ..plots import COLOURS, Panel, keep_readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SETTINGS: Any = {
    "svg.hashsalt": "portraitbench",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names of methods and cases may hold dollar signs
}
_METADATA: dict[str, dict[str, None]] = {
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}


def figure_name(start: str, suite: str, method: str) -> str:
    """The name of a figure's files, which LaTeX takes too, whatever a run folder in the method's label is called.

    >>> figure_name("figure4", "pocket-image", "pocket+strucbooth@my runs#1")
    'figure4_pocket-image_pocket+strucbooth@my-runs-1'
    """
    return re.sub(r"[^A-Za-z0-9._+=@-]", "-", f"{start}_{suite}_{method}")


def save_figure(make: Callable[[], Figure], stem: Path) -> None:
    """Draw and write ``stem.pdf`` and ``stem.svg`` under fixed settings, without dates and versions."""
    from matplotlib import rc_context
    from matplotlib.style import context

    with context("default", after_reset=True), rc_context(_SETTINGS):
        figure = make()
        for ending, metadata in _METADATA.items():
            with atomic_path(stem.with_name(f"{stem.name}.{ending}")) as temporary:
                # Tight: headings over the first row are as high as they are, and would be cut at a fixed height.
                figure.savefig(
                    temporary, format=ending, metadata=metadata, dpi=200, bbox_inches="tight", pad_inches=0.03
                )


def twin_axes(identity: Panel, expression: Panel) -> Figure:
    """Table 2(c): the identity metric on the left axis and AED on the right, against the same number.

    Args:
        identity: Means and intervals of the identity metric.
        expression: Those of AED.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    pairs = zip((left, right), (identity, expression), COLOURS, ("o", "s"), strict=False)
    for axes, panel, colour, marker in pairs:
        x = [spot.x for spot in panel.spots]
        low, high = [spot.low for spot in panel.spots], [spot.high for spot in panel.spots]
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, [spot.mean for spot in panel.spots], color=colour, marker=marker, markersize=4)
        keep_readable(axes, panel)
        axes.set_ylabel(panel.y_label, color=colour)
        axes.tick_params(axis="y", labelcolor=colour)
        axes.spines["top"].set_visible(False)
    left.set_xlabel(identity.x_label)
    left.set_xticks([spot.x for spot in identity.spots])
    left.grid(True, axis="x", alpha=0.3)
    return figure


def cost_scatter(points: Sequence[tuple[str, float, float, float]], unit: str, memory: str) -> Figure:
    """Table 2(b): AED against memory and against speed, a point per way of decoding.

    Args:
        points: Name, AED, bytes of memory, steps per second.
        unit: Unit of AED, with its metric.
        memory: What the memory is of, with its unit.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    for axes, column, label in zip(figure.subplots(1, 2), (2, 3), (memory, "speed [it/s]"), strict=True):
        scale = 2**20 if column == 2 else 1
        costs = [float(point[column]) / scale for point in points]
        for index, (point, cost) in enumerate(zip(points, costs, strict=True)):
            marker = "*" if point[0].startswith("patch") else "o"
            colour = COLOURS[index % len(COLOURS)]
            axes.scatter([cost], [point[1]], s=90, marker=marker, color=colour, label=point[0])
        axes.set_xlabel(label)
        axes.set_ylabel(unit)
        axes.margins(0.25)
        if known := [cost for cost in costs if math.isfinite(cost)]:
            axes.set_xlim(0, 1.2 * max(known))  # from zero: costs that differ by noise must not look far apart
        axes.locator_params(axis="x", nbins=5)
        axes.grid(True, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8)
    return figure
