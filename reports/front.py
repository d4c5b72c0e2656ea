"""Identity against expression: where the rows of an ablation stand between the two, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .plots import COLOURS, Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FrontPoint:
    """One row of an ablation.

    Attributes:
        name: Its label; "" for the baseline.
        identity: Mean of the identity metric, higher is better.
        expression: Mean of AED, lower is better.
    """

    name: str
    identity: float
    expression: float


def front_points(identity: Panel, expression: Panel, names: Sequence[str], baseline: str) -> list[FrontPoint]:
    """The rows of two panels as points.

    Args:
        identity: Panel of the identity metric.
        expression: Panel of AED, with the same rows.
        names: Labels of the rows.
        baseline: The label that the others begin with.
    """
    rows = zip(names, identity.spots, expression.spots, strict=True)
    return [FrontPoint(name.removeprefix(baseline).removeprefix("+"), a.mean, b.mean) for name, a, b in rows]


def unbeaten(points: Sequence[FrontPoint]) -> list[FrontPoint]:
    """Points that no other beats in one metric without losing in the other, from low to high AED.

    >>> worse, better = FrontPoint("a", 0.5, 2.0), FrontPoint("b", 0.6, 1.0)
    >>> [point.name for point in unbeaten([worse, better])]
    ['b']
    """
    found: list[FrontPoint] = []
    for point in sorted(points, key=lambda one: (one.expression, -one.identity)):
        if not found or point.identity > found[-1].identity:
            found.append(point)
    return found


def draw_front(points: Sequence[FrontPoint], identity: Panel, expression: Panel) -> Figure:
    """AED over identity: rows of one kind have a colour and are joined, unbeaten ones ringed."""
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axes = figure.subplots()
    groups: dict[str, list[FrontPoint]] = {}
    for point in points:
        groups.setdefault(_group(point.name), []).append(point)
    for index, (group, own) in enumerate(groups.items()):
        colour = COLOURS[index % len(COLOURS)] if group else "#000000"
        x, y = [point.identity for point in own], [point.expression for point in own]
        marker, size = ("o", 5) if group else ("*", 10)
        kind, order = group or "baseline", 2 if group else 5
        axes.plot(x, y, color=colour, marker=marker, markersize=size, linewidth=1, label=kind, zorder=order)
        halo = [withStroke(linewidth=2, foreground="white")]  # names stay readable over lines and over each other
        for point in own:
            place, label = (point.identity, point.expression), point.name.removeprefix(group).lstrip("+=")
            axes.annotate(label, place, (5, 3), textcoords="offset points", fontsize=6, path_effects=halo)
    best = unbeaten(points)
    rings = [point.identity for point in best], [point.expression for point in best]
    axes.scatter(*rings, s=90, facecolors="none", edgecolors="#444444", linewidths=1, label="not beaten in both")
    axes.set_xlabel(identity.y_label.replace("\n", " "))
    axes.set_ylabel(expression.y_label.replace("\n", " "))
    axes.margins(0.12)
    axes.grid(True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=6)
    return figure


def _group(name: str) -> str:
    """What points are joined by: ``grad=1`` of ``grad=1+id=2``, ``steps`` of ``steps=30``, ``PGT`` of ``PGT+grad``."""
    first, plus, _ = name.partition("+")
    return first if plus else first.partition("=")[0]
