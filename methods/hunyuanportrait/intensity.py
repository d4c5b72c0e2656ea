"""How strong the motion of a clip is: two buckets per chunk, which choose rows of the motion refiner's tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import NoFaceError
from ...faces.base import Floats

CHUNK = 25
"""Frames that share a pair of buckets, counted from the first driving frame."""
LARGEST = 127
NOSE = 2
"""Of the five landmarks, the one that stands for the head."""
_HEAD_SCALE, _EXPRESSION_SCALE = 256, 1024


@dataclass(frozen=True)
class Intensity:
    """Buckets from 0, no motion, to 127.

    Attributes:
        head: Bucket of the nose's displacement.
        expression: Bucket of the landmarks' displacement relative to the nose.
    """

    head: int
    expression: int


def intensity(points: Floats) -> Intensity:
    """Measure one chunk.

    Mean distances from the chunk's mean places, in face sizes: the diagonal of the landmarks' extent in the chunk's
    first frame.

    Args:
        points: Five landmarks of each frame, shape (F, 5, 2).

    Raises:
        NoFaceError: When the landmarks of the first frame all lie on one spot.
    """
    relative = points - points[:, NOSE, None]
    size = float(np.linalg.norm(np.ptp(relative[0], axis=0)))
    if not size > 0:
        raise NoFaceError("the landmarks of a driving frame span no face")
    nose = points[:, NOSE]
    head = np.linalg.norm(nose - nose.mean(axis=0), axis=-1).mean() / size * _HEAD_SCALE
    expression = np.linalg.norm(relative - relative.mean(axis=0), axis=-1).mean() / size * _EXPRESSION_SCALE
    return Intensity(min(int(head), LARGEST), min(int(expression), LARGEST))


def intensities(points: Floats) -> list[Intensity]:
    """Buckets of each chunk of a clip, landmarks of shape (T, 5, 2)."""
    return [intensity(points[start : start + CHUNK]) for start in range(0, len(points), CHUNK)]
