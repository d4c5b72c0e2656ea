"""Where to cut a portrait out of a picture, from what the face models saw."""

from __future__ import annotations

import numpy as np

from ..datasets.manifest import Crop
from .base import Observation

FACE_SHARE = 3.0
"""Side of the window in mean landmark extents: HelloMeme's framing."""
CENTRE = (0.5, 0.615)
"""Where in the window the middle of the landmarks lies, in sides from its left and upper edge: room for the hair."""


def portrait_crop(seen: Observation, zoom: float = 1.0, centre: tuple[float, float] = CENTRE) -> Crop | None:
    """One square window for a whole clip: three faces wide, face slightly below the middle, inside the picture.

    Args:
        seen: An observation with landmarks.
        zoom: Size of the face in the window, 1 for a third of it.
        centre: Where in the window the face's middle shall lie, in sides from its left and upper edge.

    Returns:
        The window, or None when no frame shows a face.
    """
    points = seen.landmarks[seen.found]
    if not len(points):
        return None
    extent = (points.max(axis=1) - points.min(axis=1)).mean(axis=0).max()
    side = max(8, int(min(FACE_SHARE * extent / zoom, seen.height, seen.width)))
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    middle = (low + high) / 2 - (np.array(centre) - np.array([0.5, 0.5])) * side
    corner = np.clip(np.floor(middle - side / 2), 0, np.array([seen.width, seen.height]) - side)
    return Crop(x=int(corner[0]), y=int(corner[1]), side=side)
