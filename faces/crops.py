"""Where to cut a portrait out of a picture, from what the face models saw."""

from __future__ import annotations

import numpy as np

from ..datasets.manifest import Crop
from .base import Observation

FACE_SHARE = 3.0
"""Side of the window in mean landmark extents: HelloMeme's framing."""
RAISE = 0.115
"""How far above the middle of the landmarks the window's centre lies, in sides: room for the hair."""


def portrait_crop(seen: Observation) -> Crop | None:
    """One square window for a whole clip: three faces wide, face slightly below the middle, inside the picture.

    Args:
        seen: An observation with landmarks.

    Returns:
        The window, or None when no frame shows a face.
    """
    points = seen.landmarks[seen.found]
    if not len(points):
        return None
    extent = (points.max(axis=1) - points.min(axis=1)).mean(axis=0).max()
    side = int(min(FACE_SHARE * extent, seen.height, seen.width))
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    centre = (low + high) / 2 - np.array([0.0, RAISE * side])
    corner = np.clip(np.floor(centre - side / 2), 0, np.array([seen.width, seen.height]) - side)
    return Crop(x=int(corner[0]), y=int(corner[1]), side=side)
