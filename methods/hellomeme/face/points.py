"""The 222 points that HelloMeme's landmark network places, and boxes around them."""

from __future__ import annotations

import numpy as np

from ....faces.base import Floats

COUNT = 222
CONTOUR, NOSE, BROWS = slice(0, 33), slice(33, 48), slice(48, 74)
LEFT_EYE, RIGHT_EYE, MOUTH = slice(74, 96), slice(96, 118), slice(118, 182)
LEFT_PUPIL, RIGHT_PUPIL = slice(182, 202), slice(202, 222)
"""Parts of the face; left is the viewer's."""
LEFT_CORNER, RIGHT_CORNER = 74, 96
"""Outer eye corners whose line gives the face's roll."""


def roll(points: Floats) -> float:
    """Angle of the line between the eye corners in degrees, positive where the right one is lower."""
    x, y = points[RIGHT_CORNER] - points[LEFT_CORNER]
    return float(np.rad2deg(np.arctan2(y, x + 1e-8)))  # as upstream, which keeps the angle of one point defined


def box_around(points: Floats) -> Floats:
    """Left, top, right and bottom of points, shape (4,)."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def area(box: Floats) -> float:
    """Of a box in square pixels."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def overlap(one: Floats, other: Floats, slack: float = 0.0) -> float:
    """Intersection over union of two boxes; ``slack`` is added to the union."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = max(float(width), 0.0) * max(float(height), 0.0)
    return shared / (area(one) + area(other) - shared + slack) if shared else 0.0
