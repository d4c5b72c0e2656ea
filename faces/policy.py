"""Which face of a frame counts: the largest, then the one that overlaps the face of the frame before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import Face, Floats

POLICY_VERSION = 1
"""Raise it when another face may count: scores made under the old policy are then computed again."""
MIN_IOU = 0.1
"""Below this overlap the face of the frame before is taken as lost, and the largest face counts again."""


def area(box: Floats) -> float:
    """Area of a box (x0, y0, x1, y1) in square pixels; 0 for an empty one."""
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def iou(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes, in [0, 1].

    >>> iou(np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2]))
    0.3333333333333333
    """
    overlap = area(np.array([max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])]))
    union = area(a) + area(b) - overlap
    return overlap / union if union > 0 else 0.0


def choose(frames: Sequence[Sequence[Face]]) -> list[int | None]:
    """Choose one face per frame of a clip.

    Args:
        frames: All faces of each frame.

    Returns:
        The index of the chosen face per frame, None where there is none. A frame without a face does not break the
        track: the next face is compared with the last one seen.
    """
    chosen: list[int | None] = []
    last: Floats | None = None
    for faces in frames:
        if not faces:
            chosen.append(None)
            continue
        index = max(range(len(faces)), key=lambda i: area(faces[i].box))
        if last is not None:
            overlaps = [iou(face.box, last) for face in faces]
            nearest = int(np.argmax(overlaps))
            if overlaps[nearest] >= MIN_IOU:
                index = nearest
        chosen.append(index)
        last = faces[index].box
    return chosen
