"""Face masks for pixel metrics, made from the target's landmarks alone.

A mask that looked at the generated frame would let a shrunken or displaced face score better.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from ..faces.base import Floats

Mask = NDArray[np.bool_]

FOREHEAD = 0.5
"""How far the box reaches above the brows, in heights of the landmark box.

By the classical thirds of the face, hairline to brows is as high as brows to nose and nose to chin; the landmarks span
the lower two thirds, so the forehead adds half of their height.
"""


class MaskKind(StrEnum):
    """Which part of the frame counts."""

    BOX = "box"
    HULL = "hull"


def face_mask(landmarks: Floats, height: int, width: int, kind: MaskKind = MaskKind.BOX) -> Mask:
    """Make the mask of one frame.

    A pixel belongs to the mask when its centre (integer coordinates) lies in the shape, borders included; whatever
    lies outside the frame is cut off.

    Args:
        landmarks: The target's points, shape (K, 2), in pixels, finite.
        height: Frame height.
        width: Frame width.
        kind: ``box``: the bounding box of the points, with its upper side moved up by half the box's height to take
            in the forehead. ``hull``: the convex hull of the points, which ends at the brows.

    Returns:
        Shape (height, width); all False when the shape lies outside the frame.

    >>> face_mask(np.array([[1.0, 2.0], [2.0, 4.0]]), height=6, width=4).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    x, y = np.arange(width), np.arange(height)[:, None]
    if MaskKind(kind) is MaskKind.HULL:
        return _hull_mask(landmarks, x, y)
    (x0, y0), (x1, y1) = landmarks.min(axis=0), landmarks.max(axis=0)
    y0 -= FOREHEAD * (y1 - y0)
    inside: Mask = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    return inside


def _hull_mask(landmarks: Floats, x: NDArray[np.int64], y: NDArray[np.int64]) -> Mask:
    """The convex hull as an intersection of half-planes; points on one line enclose nothing."""
    inside = np.ones((len(y), len(x)), dtype=np.bool_)
    try:
        edges = ConvexHull(landmarks).equations
    except QhullError:
        return np.zeros_like(inside)
    for normal_x, normal_y, offset in edges:
        inside &= normal_x * x + normal_y * y + offset <= 1e-9
    return inside


def fraction(mask: Mask) -> float:
    """Share of the frame that the mask covers, in [0, 1]."""
    return float(mask.mean())
