"""Grids of pictures: cells, boxes around regions, and regions enlarged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...datasets.clip import Clip, Frame
from ...faces.base import Floats
from ...methods.strucbooth.config import StrucBoothConfig
from ...methods.strucbooth.regions import REGION_NAMES, Box, BoxKind, Growth, region_boxes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Locate: TypeAlias = Callable[[Clip], Floats]
"""Landmarks of a clip's frames, shape (T, 68, 2); NaN where there is no face."""
ZOOMED: Mapping[str, Sequence[str]] = {
    "eyes": ("right_eye", "left_eye", "right_brow", "left_brow"),
    "mouth": ("mouth",),
}
"""Regions that are shown enlarged, by heading."""
CELL = 0.72
"""Side of a picture, in inches."""


def grid(rows: int, columns: int) -> tuple[Figure, np.ndarray[tuple[int, int], np.dtype[np.object_]]]:
    """An empty figure and its cells, shape (rows, columns), without axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(CELL * columns, CELL * rows + 0.6), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.0)  # type: ignore[union-attr,call-arg]
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, axes


def show(ax: Axes, frame: Frame, title: str = "") -> None:
    """Put a frame into a cell, with a heading over it."""
    ax.imshow(frame, interpolation="nearest")
    if title:
        ax.set_title(title, fontsize=6)


def zoomed(frames: Sequence[Frame], region: str, locate: Locate) -> list[Frame]:
    """One region of several frames, each around its own face; a gray cell where there is none."""
    parts = []
    for frame in frames:
        boxes = boxes_of(frame, ZOOMED[region], locate)
        parts.append(cut(frame, boxes) if boxes else np.full((8, 8, 3), 200, np.uint8))
    return parts


def boxes_of(frame: Frame, regions: Sequence[str], locate: Locate) -> list[Box]:
    """Boxes of regions (or groups like ``eyes``) as the tuner takes them, anchored. None without a face."""
    points = locate(Clip.from_image(frame))[0]
    if not np.isfinite(points).all():
        return []
    defaults = StrucBoothConfig()
    growth = Growth(defaults.grow, *defaults.grow_pixels)
    boxes = region_boxes(points, BoxKind.ANCHORED, growth, max(frame.shape[:2]))
    return [boxes[name] for region in regions for name in REGION_NAMES.get(region, (region,)) if name in boxes]


def cut(frame: Frame, boxes: Sequence[Box]) -> Frame:
    """The part of a frame that holds all boxes."""
    height, width = frame.shape[:2]
    left, top = max(0, int(min(box.left for box in boxes))), max(0, int(min(box.top for box in boxes)))
    right = min(width, int(np.ceil(max(box.right for box in boxes))))
    bottom = min(height, int(np.ceil(max(box.bottom for box in boxes))))
    if left >= right or top >= bottom:
        return np.full((8, 8, 3), 200, np.uint8)
    part: Frame = frame[top:bottom, left:right]
    return part


def framed(ax: Axes, colour: str) -> None:
    """Draw a frame around a whole cell."""
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((0, 0), 1, 1, transform=ax.transAxes, fill=False, color=colour, linewidth=3))


def outline(ax: Axes, box: Box, colour: str) -> None:
    """Draw a box of a picture, in its pixels."""
    from matplotlib.patches import Rectangle

    # Pixel 0 covers -0.5 to 0.5 on the axes of a picture, and 0 to 1 in a box.
    corner = (box.left - 0.5, box.top - 0.5)
    ax.add_patch(Rectangle(corner, box.width, box.height, fill=False, color=colour, linewidth=1.2))
