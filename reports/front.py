"""Identity against expression: where the rows of an ablation stand between the two, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .plots import COLOURS, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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

    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axes = figure.subplots()
    groups: dict[str, list[FrontPoint]] = {}
    for point in points:
        groups.setdefault(_group(point.name), []).append(point)
    upper = _upper_half(groups)
    for index, (group, own) in enumerate(groups.items()):
        colour = COLOURS[index % len(COLOURS)] if group else "#000000"
        x, y = [point.identity for point in own], [point.expression for point in own]
        marker, size = ("o", 5) if group else ("*", 10)
        if group:
            _name_points(axes, own, colour, above=group in upper)
        told = all(point_label(point.name) == point.name for point in own)  # beside the points, and needs no legend
        kind, order = ("baseline" if not group else f"_{group}" if told else group), 2 if group else 5
        axes.plot(x, y, color=colour, marker=marker, markersize=size, linewidth=1, label=kind, zorder=order)
    best = unbeaten(points)
    rings = [point.identity for point in best], [point.expression for point in best]
    axes.scatter(
        *rings, s=90, facecolors="none", edgecolors="#444444", linewidths=1, label="not beaten in both metrics"
    )
    axes.set_xlabel(identity.y_label.replace("\n", " "))
    axes.set_ylabel(expression.y_label.replace("\n", " "))
    axes.margins(0.12)
    axes.grid(True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    figure.legend(loc="outside upper center", ncols=4, fontsize=6)  # inside it would lie on points
    return figure


def _upper_half(groups: Mapping[str, Sequence[FrontPoint]]) -> set[str]:
    """Lines whose names stand above them: those of the lower half have theirs below, out of the others' way."""
    heights = {name: sum(point.expression for point in own) / len(own) for name, own in groups.items() if name}
    ordered = sorted(heights, key=heights.__getitem__)
    return set(ordered[len(ordered) // 2 :])


def _name_points(axes: Axes, points: Sequence[FrontPoint], colour: str, *, above: bool) -> None:
    """Write names beside points in their colour, above or below it; neighbours in two heights."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2, foreground="white")]  # names stay readable over lines and over each other
    for index, point in enumerate(sorted(points, key=lambda point: point.identity)):
        away = 7 + 8 * (index % 2)
        axes.annotate(
            point_label(point.name),
            (point.identity, point.expression),
            (0, away if above else -away),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=6,
            color=colour,
            path_effects=halo,
        )


def point_label(name: str) -> str:
    """What stands beside a point: a number's value where the legend tells whose, else the whole name.

    >>> [point_label(name) for name in ("steps=30", "grad=1+id=2", "PGT", "PGT+grad", "patch+halo=2")]
    ['30', 'id=2', 'PGT', 'PGT+grad', 'patch+halo=2']
    """
    first, _, rest = name.partition("+")
    value = first.partition("=")[2]
    return name if not value else rest or value


def _group(name: str) -> str:
    """What points are joined by: ``grad=1`` of ``grad=1+id=2``, ``steps`` of ``steps=30``, ``PGT`` of ``PGT+grad``."""
    first, plus, _ = name.partition("+")
    return first if plus else first.partition("=")[0]
