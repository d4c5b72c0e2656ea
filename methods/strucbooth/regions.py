"""Expression regions: boxes from 68 landmarks, on the latent grid for the output, in pixels for the driver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ...faces.base import Floats

_POINTS = {
    "right_brow": range(17, 22),
    "left_brow": range(22, 27),
    "nose": range(27, 36),
    "right_eye": range(36, 42),
    "left_eye": range(42, 48),
    "mouth": range(48, 68),
}
REGIONS = tuple(_POINTS)
"""Regions by name; left and right are the person's own, as in the iBUG scheme of 68 points."""

REGION_NAMES: dict[str, tuple[str, ...]] = {
    "eyes": ("right_eye", "left_eye"),
    "brows": ("right_brow", "left_brow"),
    **{name: (name,) for name in REGIONS},
}
"""What a person may call regions, alone or in pairs."""

REFERENCE_SIZE = 512
"""Frame side that lengths in pixels refer to: the paper's resolution."""

_HALF_SIZES = {"eye": (0.24, 0.16), "brow": (0.28, 0.16), "mouth": (0.42, 0.33), "nose": (0.24, 0.30)}
_BROW_ABOVE_EYE, _MOUTH_BELOW_NOSE = 0.31, 0.37


class BoxKind(StrEnum):
    """How boxes follow the landmarks."""

    TIGHT = "tight"
    ANCHORED = "anchored"


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, or in latent cells where whole numbers are asked for.

    Edges, not pixel centres: the whole frame is (0, 0, W, H), and pixel 0 covers 0 to 1.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Right minus left."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Bottom minus top."""
        return self.bottom - self.top

    def scaled(self, factor: float) -> Box:
        """All edges times ``factor``."""
        return Box(self.left * factor, self.top * factor, self.right * factor, self.bottom * factor)


@dataclass(frozen=True)
class Cells:
    """A rectangle of whole latent cells: rows ``top`` to ``bottom`` and columns ``left`` to ``right``, exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    def pixels(self, stride: int) -> Box:
        """The pixels that these cells decode to."""
        return Box(self.left, self.top, self.right, self.bottom).scaled(stride)


@dataclass(frozen=True)
class Growth:
    """How tight boxes are grown on each side.

    Attributes:
        share: Growth as a share of the box's longer side.
        least: Lower bound of the growth, in pixels of a frame of 512.
        most: Upper bound of the growth, in pixels of a frame of 512.
    """

    share: float = 0.2
    least: float = 5.0
    most: float = 25.0


def region_boxes(landmarks: Floats, kind: BoxKind, growth: Growth, size: int) -> dict[str, Box]:
    """Boxes of all regions in one frame, in pixels; they may reach beyond the frame.

    The paper grows tight boxes by "roughly 5-25 pixels" at 512 (section 6.2); that large regions grow by more than
    small ones is our reading. Anchored boxes sit on the nose and the eye corners and are measured in
    s = |27 - 33| + |39 - 42|, which expressions hardly change.

    Args:
        landmarks: iBUG 68 points with pixel centres at integers, shape (68, 2).
        kind: How boxes follow the landmarks.
        growth: Growth of tight boxes.
        size: The frame's longer side in pixels.
    """
    points = landmarks + 0.5
    if kind is BoxKind.ANCHORED:
        return _anchored(points)
    return {name: _grown(points[list(own)], growth, size / REFERENCE_SIZE) for name, own in _POINTS.items()}


def snap(box: Box, stride: int, height: int, width: int, multiple: int = 1) -> Cells | None:
    """Smallest rectangle of latent cells that covers a box inside the frame; None when nothing of it is inside.

    Args:
        box: In pixels.
        stride: Pixels per latent cell.
        height: Latent height in cells.
        width: Latent width in cells.
        multiple: The rectangle's sides are grown to a multiple of so many cells, as far as the frame reaches.
    """
    left, top = max(0, int(np.floor(box.left / stride))), max(0, int(np.floor(box.top / stride)))
    right, bottom = min(width, int(np.ceil(box.right / stride))), min(height, int(np.ceil(box.bottom / stride)))
    if left >= right or top >= bottom:
        return None
    left, right = _rounded_up(left, right, multiple, width)
    top, bottom = _rounded_up(top, bottom, multiple, height)
    return Cells(left, top, right, bottom)


def carry(grown: Box, snapped: Box, other: Box) -> Box:
    """Change ``other`` as snapping changed ``grown``, in proportion, so that both still show the same parts.

    Without it, a driving patch would lie up to one latent cell beside the output's patch.
    """
    across, down = other.width / grown.width, other.height / grown.height
    return Box(
        other.left + (snapped.left - grown.left) * across,
        other.top + (snapped.top - grown.top) * down,
        other.right + (snapped.right - grown.right) * across,
        other.bottom + (snapped.bottom - grown.bottom) * down,
    )


def _grown(points: Floats, growth: Growth, scale: float) -> Box:
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.clip(growth.share * float((high - low).max()), growth.least * scale, growth.most * scale)
    return _box((low + high) / 2, (high - low) / 2 + margin)


def _rounded_up(first: int, end: int, multiple: int, limit: int) -> tuple[int, int]:
    """A range within ``limit`` grown on both sides to a multiple; on one side alone where the other is at the limit."""
    length = min(-(-(end - first) // multiple) * multiple, limit)
    start = min(max(first - (length - (end - first)) // 2, 0), limit - length)
    return start, start + length


def _anchored(points: Floats) -> dict[str, Box]:
    unit = float(np.linalg.norm(points[27] - points[33]) + np.linalg.norm(points[39] - points[42]))
    down = np.array([0.0, unit])
    eyes = {"right_eye": (points[36] + points[39]) / 2, "left_eye": (points[42] + points[45]) / 2}
    centres = eyes | {
        "right_brow": eyes["right_eye"] - _BROW_ABOVE_EYE * down,
        "left_brow": eyes["left_eye"] - _BROW_ABOVE_EYE * down,
        "nose": (points[27] + points[33]) / 2,
        "mouth": points[33] + _MOUTH_BELOW_NOSE * down,
    }
    halves = {name: unit * np.array(_HALF_SIZES[name.rpartition("_")[2]]) for name in REGIONS}
    return {name: _box(centres[name], halves[name]) for name in REGIONS}


def _box(centre: Floats, half: Floats) -> Box:
    (left, top), (right, bottom) = centre - half, centre + half
    return Box(float(left), float(top), float(right), float(bottom))
