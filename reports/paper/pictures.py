"""The qualitative figures: whose pictures they show, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...core.errors import AssetError, CaseError, ManifestError, Status
from ...datasets.clip import Clip, Frame
from ...datasets.manifest import Case
from ...datasets.media import read_output
from ...faces.base import Floats
from ...harness.plan import PlanItem, spread
from ...harness.suite_copy import SuiteCopy, load_copy
from ...methods.strucbooth.config import StrucBoothConfig
from ...methods.strucbooth.regions import Box, BoxKind, Growth, region_boxes
from ..run_data import RunData
from .figures import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Locate: TypeAlias = Callable[[Clip], Floats]
"""Landmarks of a clip's frames, shape (T, 68, 2); NaN where there is no face."""
ZOOMED = {"eyes": ("right_eye", "left_eye", "right_brow", "left_brow"), "mouth": ("mouth",)}
"""Regions that are shown enlarged, by heading."""
FIRST, MORE = 3, 6
"""Cases of the first figure of a method, and of the one with more results."""
STRIP = 6
"""Frames of a clip that are shown."""
_CELL = 1.1
"""Side of a picture, in inches."""


@dataclass(frozen=True)
class Shown:
    """One case with what was made of it.

    Attributes:
        case: Identity, driving, guides.
        identity: The identity image.
        driving: The driving clip.
        base: What the baseline made.
        ours: What the method made.
        guides: By region: what drives it instead of ``driving``.
    """

    case: Case
    identity: Clip
    driving: Clip
    base: Clip
    ours: Clip
    guides: dict[str, Clip]


def draw_pictures(
    data: RunData, folder: Path, locate: Locate, cases: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Draw the qualitative figures of every method that has a baseline, suite by suite.

    Args:
        data: The runs, merged.
        folder: Where to.
        locate: Finds landmarks.
        cases: Cases to show; empty for some, spread evenly over each suite.

    Returns:
        Names and captions of the figures; and what could not be shown, a sentence each.
    """
    figures: list[tuple[str, str]] = []
    notes: list[str] = []
    pairs = dict.fromkeys((item.suite, item.method, item.baseline) for item in data.plan if item.baseline)
    for suite, method, baseline in pairs:
        if data.run.is_control(method):
            continue
        copy = load_copy(data.folder, suite)
        if copy is None:
            notes.append(f"No pictures of {suite}: the run folder has no manifest of it.")
            continue
        source = _Source(data, copy, suite, method, baseline)
        for stem, chosen in _chosen(source, cases):
            shown = source.load(chosen, notes)
            if not shown:
                continue
            name = f"{stem}_{suite}_{method.replace('+', '-')}"
            make = _figure_of(shown, method, baseline, locate)
            save_figure(make, folder / name)
            figures.append((name, _caption(suite, method, baseline, shown, given=bool(cases))))
    return figures, notes


class _Source:
    """The outputs of one method and its baseline in one suite."""

    def __init__(self, data: RunData, copy: SuiteCopy, suite: str, method: str, baseline: str) -> None:
        self._data, self.copy = data, copy
        self.method, self.baseline = method, baseline
        self._items = {(item.case, item.method): item for item in data.plan if item.suite == suite}

    @property
    def cases(self) -> list[Case]:
        """Cases whose outputs are there, in manifest order."""
        made = [case for case, method in self._items if method == self.method]
        return [
            self.copy.cases[case]
            for case in made
            if self._output(case, self.method) and self._output(case, self.baseline)
        ]

    def load(self, cases: Sequence[Case], notes: list[str]) -> list[Shown]:
        """The pictures of cases; those that are not at hand become notes."""
        shown = []
        for case in cases:
            try:
                shown.append(
                    Shown(
                        case,
                        self.copy.clip(case.identity),
                        self.copy.clip(case.driving),
                        read_output(self._path(case.id, self.baseline)),
                        read_output(self._path(case.id, self.method)),
                        {region: self.copy.clip(window) for region, window in case.guides.items()},
                    )
                )
            except (AssetError, CaseError, ManifestError) as error:
                notes.append(f"Case {case.id} is not shown: {error}")
        return shown

    def _output(self, case: str, method: str) -> str:
        item: PlanItem | None = self._items.get((case, method))
        made = self._data.store.records.get(("generate", item.key)) if item else None
        return made["output"]["path"] if made and made["status"] == Status.OK else ""

    def _path(self, case: str, method: str) -> Path:
        return self._data.folder / self._output(case, method)


def _chosen(source: _Source, named: Sequence[str]) -> list[tuple[str, list[Case]]]:
    """Names of figures with their cases.

    Raises:
        ConfigError: When a case is named that has no outputs.
    """
    cases = source.cases
    if not cases:
        return []
    if named:
        by_id = {case.id: case for case in cases}
        cases = [by_id[name] for name in named if name in by_id]
    pasted = [case for case in cases if case.guides]
    plain = [case for case in cases if not case.guides]
    order = [plain[index] for index in _interleaved(len(plain))] if not named else plain
    clips = bool(plain) and plain[0].driving.frames > 1
    first, more = ("figure3", "figure6-7") if clips else ("figure4", "figure8")
    parts = [(first, order[:FIRST]), (more, order[FIRST : FIRST + MORE]), ("figure5", pasted[:FIRST])]
    return [(stem, own) for stem, own in parts if own]


def _interleaved(count: int) -> list[int]:
    """Indices of the cases to show, spread evenly: the first figure's, then those of the one with more."""
    first = spread(count, min(FIRST, count))
    more = [index for index in spread(count, min(FIRST + MORE, count)) if index not in first]
    return [*first, *more]


def _caption(suite: str, method: str, baseline: str, shown: Sequence[Shown], *, given: bool) -> str:
    how = "named by hand" if given else "spread evenly over the suite, not chosen by result"
    cases = ", ".join(one.case.id for one in shown)
    return f"{suite}: {method} against {baseline}. Cases {how}: {cases}."


def _figure_of(shown: Sequence[Shown], method: str, baseline: str, locate: Locate) -> Callable[[], Figure]:
    if shown[0].guides:
        return lambda: paste_figure(shown, method, locate)
    if shown[0].ours.is_image:
        return lambda: still_figure(shown, method, baseline, locate)
    return lambda: strip_figure(shown, method, baseline, locate)


def still_figure(shown: Sequence[Shown], method: str, baseline: str, locate: Locate) -> Figure:
    """Figures 4 and 8: a row per case with identity, driver, baseline and ours; then each region enlarged."""
    heads = ["identity", "driving", baseline, method]
    zooms = [f"{what}, {region}" for region in ZOOMED for what in ("driving", baseline, method)]
    figure, axes = _grid(len(shown), len(heads) + len(zooms))
    for row, one in zip(axes, shown, strict=True):
        frames = [clip.frames[0] for clip in (one.driving, one.base, one.ours)]
        cells = [one.identity.frames[0], *frames]
        cells += [part for region in ZOOMED for part in _zoomed(frames, region, locate)]
        for ax, cell in zip(row, cells, strict=True):
            _show(ax, cell)
    for ax, head in zip(axes[0], [*heads, *zooms], strict=True):
        ax.set_title(head.replace(", ", "\n").replace("+", "\n+"), fontsize=6)
    return figure


def strip_figure(shown: Sequence[Shown], method: str, baseline: str, locate: Locate) -> Figure:
    """Figures 3, 6 and 7: per case three strips of frames, driver, baseline and ours, and the mouth enlarged."""
    figure, axes = _grid(3 * len(shown), 2 + 2 * STRIP)
    for index, one in enumerate(shown):
        clips = [one.driving, one.base, one.ours]
        count = min(len(clip) for clip in clips)
        picks = np.linspace(0, count - 1, STRIP).round().astype(int)
        rows = axes[3 * index : 3 * index + 3]
        _show(rows[0][0], one.identity.frames[0])
        rows[0][0].set_title("identity", fontsize=6)
        for row, name in zip(rows, ("driving", baseline, method), strict=True):
            row[1].text(0.5, 0.5, name.replace("+", "\n+"), ha="center", va="center", fontsize=6)
        for column, pick in enumerate(picks):
            frames = [clip.frames[pick] for clip in clips]
            parts = _zoomed(frames, "mouth", locate)
            for row, frame, part in zip(rows, frames, parts, strict=True):
                _show(row[2 + column], frame)
                _show(row[2 + STRIP + column], part)
            rows[0][2 + column].set_title(f"frame {pick}", fontsize=6)
            rows[0][2 + STRIP + column].set_title(f"mouth {pick}", fontsize=6)
    return figure


def paste_figure(shown: Sequence[Shown], method: str, locate: Locate) -> Figure:
    """Figure 5: identity, the driver that gives the pose in a red frame, what drives single regions, and ours."""
    most = max(len(one.guides) for one in shown)
    figure, axes = _grid(len(shown), 3 + most)
    for row, one in zip(axes, shown, strict=True):
        middle = len(one.driving) // 2
        _show(row[0], one.identity.frames[0], "identity")
        _show(row[1], one.driving.frames[middle], "driving: pose and the rest")
        _framed(row[1], "red")
        for ax, (region, clip) in zip(row[2:], one.guides.items(), strict=False):
            frame = clip.frames[min(middle, len(clip) - 1)]
            _show(ax, frame, region)
            for box in _boxes(frame, (region,), locate):
                _outline(ax, box, "lime")
        _show(row[-1], one.ours.frames[middle], method)
    return figure


def _grid(rows: int, columns: int) -> tuple[Figure, np.ndarray[tuple[int, int], np.dtype[np.object_]]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_CELL * columns, _CELL * rows + 0.35), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.0)  # type: ignore[union-attr,call-arg]
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, axes


def _show(ax: Axes, frame: Frame, title: str = "") -> None:
    ax.imshow(frame, interpolation="nearest")
    if title:
        ax.set_title(title, fontsize=6)


def _zoomed(frames: Sequence[Frame], region: str, locate: Locate) -> list[Frame]:
    """One region of several frames, each around its own face; a gray cell where there is none."""
    parts = []
    for frame in frames:
        boxes = _boxes(frame, ZOOMED[region], locate)
        parts.append(_cut(frame, boxes) if boxes else np.full((8, 8, 3), 200, np.uint8))
    return parts


def _boxes(frame: Frame, regions: Sequence[str], locate: Locate) -> list[Box]:
    """Boxes of regions as the tuner takes them, anchored: of one size over expressions. None without a face."""
    points = locate(Clip.from_image(frame))[0]
    if not np.isfinite(points).all():
        return []
    defaults = StrucBoothConfig()
    growth = Growth(defaults.grow, *defaults.grow_pixels)
    boxes = region_boxes(points, BoxKind.ANCHORED, growth, max(frame.shape[:2]))
    return [boxes[region] for region in regions]


def _cut(frame: Frame, boxes: Sequence[Box]) -> Frame:
    """The part of a frame that holds all boxes."""
    height, width = frame.shape[:2]
    left, top = max(0, int(min(box.left for box in boxes))), max(0, int(min(box.top for box in boxes)))
    right = min(width, int(np.ceil(max(box.right for box in boxes))))
    bottom = min(height, int(np.ceil(max(box.bottom for box in boxes))))
    if left >= right or top >= bottom:
        return np.full((8, 8, 3), 200, np.uint8)
    part: Frame = frame[top:bottom, left:right]
    return part


def _framed(ax: Axes, colour: str) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((0, 0), 1, 1, transform=ax.transAxes, fill=False, color=colour, linewidth=3))


def _outline(ax: Axes, box: Box, colour: str) -> None:
    from matplotlib.patches import Rectangle

    # Pixel 0 covers -0.5 to 0.5 on the axes of a picture, and 0 to 1 in a box.
    corner = (box.left - 0.5, box.top - 0.5)
    ax.add_patch(Rectangle(corner, box.width, box.height, fill=False, color=colour, linewidth=1.2))
