"""The 222 points that HelloMeme's landmark network places, and boxes around them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Number: TypeAlias = np.floating[Any]
Points: TypeAlias = NDArray[Number]
"""Places in pixels, float32 in a frame and float64 on the canvas, as upstream has them.

What is computed from them keeps their precision: where a face fills the frame, the clip's window lies on whole pixels
before it is cut off, and its edge would move by one.
"""

COUNT = 222
CONTOUR, NOSE, BROWS = slice(0, 33), slice(33, 48), slice(48, 74)
LEFT_EYE, RIGHT_EYE, MOUTH = slice(74, 96), slice(96, 118), slice(118, 182)
LEFT_PUPIL, RIGHT_PUPIL = slice(182, 202), slice(202, 222)
"""Parts of the face; left is the viewer's."""
LEFT_CORNER, RIGHT_CORNER = 74, 96
"""Outer eye corners whose line gives the face's roll."""


def roll(points: Points) -> float:
    """Angle of the line between the eye corners in degrees, positive where the right one is lower."""
    x, y = points[RIGHT_CORNER] - points[LEFT_CORNER]
    return float(np.rad2deg(np.arctan2(y, x + 1e-8)))  # as upstream, which keeps the angle of one point defined


def box_around(points: Points) -> Points:
    """Left, top, right and bottom of points, shape (4,)."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def area(box: Points) -> Number:
    """Of a box in square pixels."""
    size: Number = (box[2] - box[0]) * (box[3] - box[1])
    return size


def overlap(one: Points, other: Points, slack: float = 0.0) -> Number | float:
    """Intersection over union of two boxes; ``slack`` is added to the union."""
    width, height = np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0)
    shared: Number = width * height
    return shared / (area(one) + area(other) - shared + slack) if shared else 0.0
