"""Sharpness of a face where a denoiser blurs first: the eyes and the mouth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace, sobel

from ....datasets.clip import Frame
from ....faces.base import Floats

BOXES: Mapping[str, slice] = {"eyes": slice(36, 48), "mouth": slice(48, 68)}
"""The landmarks that each box encloses."""
MARGIN = 4
"""Pixels of a 128 px frame that a box is larger than its landmarks' on each side."""


def sharpness(frame: Frame, landmarks: Floats) -> dict[str, float]:
    """Variance of the Laplacian and mean gradient energy, in the box of the eyes and in that of the mouth.

    The two usual focus measures (Pech-Pacheco et al. 2000; Tenengrad). They also rise with noise and with contrast, so
    that only the ratio to the same box of a picture of the same thing says something.

    Args:
        frame: uint8 RGB of 128 px.
        landmarks: Landmarks of the reference picture, so that both use the same boxes, shape (68, 2).

    Returns:
        ``laplacian_eyes``, ``gradient_eyes``, ``laplacian_mouth``, ``gradient_mouth``; grey levels are 0 to 1.
    """
    grey = frame @ np.array([0.299, 0.587, 0.114]) / 255
    # Filtered before the cut, so that the box's edge is no edge of the picture.
    second, energy = laplace(grey), (sobel(grey, axis=0) / 8) ** 2 + (sobel(grey, axis=1) / 8) ** 2
    found = {}
    for name, points in BOXES.items():
        rows, columns = box(landmarks[points], grey.shape)
        found[f"laplacian_{name}"] = float(second[rows, columns].var())
        found[f"gradient_{name}"] = float(energy[rows, columns].mean())
    return found


def box(points: NDArray[np.floating], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the points' box with its margin, cut at the picture's edge."""
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - MARGIN, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + MARGIN + 1, shape[1::-1])
    return slice(low[1], high[1]), slice(low[0], high[0])
