"""The qualitative figures: identity, driver, baseline and ours, with regions enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .drawing import ZOOMED, Locate, boxes_of, framed, grid, outline, show, zoomed
from .shown import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRIP = 5
"""Frames of a clip that are shown."""


def still_figure(shown: Sequence[Shown], method: str, baseline: str, locate: Locate) -> Figure:
    """Figures 4 and 8: a row per case with identity, driver, baseline and ours; then each region enlarged."""
    heads = ["identity", "driving", baseline, method]
    zooms = [f"{what}, {region}" for region in ZOOMED for what in ("driving", baseline, method)]
    figure, axes = grid(len(shown), len(heads) + len(zooms))
    for row, one in zip(axes, shown, strict=True):
        frames = [clip.frames[0] for clip in (one.driving, one.base, one.ours)]
        cells = [one.identity.frames[0], *frames]
        cells += [part for region in ZOOMED for part in zoomed(frames, region, locate)]
        for ax, cell in zip(row, cells, strict=True):
            show(ax, cell)
    for ax, head in zip(axes[0], [*heads, *zooms], strict=True):
        ax.set_title(head.replace(", ", "\n").replace("+", "\n+"), fontsize=6)
    return figure


def strip_figure(shown: Sequence[Shown], method: str, baseline: str, locate: Locate) -> Figure:
    """Figures 3, 6 and 7: per case three strips of frames, driver, baseline and ours, and the mouth enlarged."""
    figure, axes = grid(3 * len(shown), 2 + 2 * STRIP)
    for index, one in enumerate(shown):
        clips = [one.driving, one.base, one.ours]
        count = min(len(clip) for clip in clips)
        picks = np.linspace(0, count - 1, STRIP).round().astype(int)
        rows = axes[3 * index : 3 * index + 3]
        show(rows[0][0], one.identity.frames[0])
        rows[0][0].set_title("identity", fontsize=6)
        for row, name in zip(rows, ("driving", baseline, method), strict=True):
            row[1].text(0.5, 0.5, name.replace("+", "\n+"), ha="center", va="center", fontsize=6)
        for column, pick in enumerate(picks):
            frames = [clip.frames[pick] for clip in clips]
            parts = zoomed(frames, "mouth", locate)
            for row, frame, part in zip(rows, frames, parts, strict=True):
                show(row[2 + column], frame)
                show(row[2 + STRIP + column], part)
            rows[0][2 + column].set_title(f"frame {pick}", fontsize=6)
            rows[0][2 + STRIP + column].set_title(f"mouth {pick}", fontsize=6)
    return figure


def paste_figure(shown: Sequence[Shown], method: str, locate: Locate) -> Figure:
    """Figure 5: identity, the driver that gives the pose in a red frame, what drives single regions, and ours."""
    most = max(len(one.guides) for one in shown)
    figure, axes = grid(len(shown), 3 + most)
    for row, one in zip(axes, shown, strict=True):
        middle = len(one.driving) // 2
        show(row[0], one.identity.frames[0], "identity")
        show(row[1], one.driving.frames[middle], "driving:\npose, rest")
        framed(row[1], "red")
        for ax, (region, clip) in zip(row[2:], one.guides.items(), strict=False):
            frame = clip.frames[min(middle, len(clip) - 1)]
            show(ax, frame, region)
            for box in boxes_of(frame, (region,), locate):
                outline(ax, box, "lime")
        show(row[-1], one.ours.frames[middle], method.replace("+", "\n+"))
    return figure
