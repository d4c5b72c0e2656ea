"""Where the head is and how it is turned: the 3D face model's numbers, and the heat map that shows them.

Angles are in radians about x, y and z; positions are in the face model's units, the camera at the origin, x right and
y up, z towards the head being negative.
"""

from __future__ import annotations

import numpy as np

from ....datasets.clip import Frame
from ....faces.base import Floats
from .networks import Array
from .pixels import opencv
from .windows import Alignment

FOCAL = 5.0 / 0.4 * 386.2879122887948
"""Focal length in pixels of the model's camera (4828.6)."""

_NEAR = 0.05
"""The square is drawn by a camera of this share of the focal length, at this share of the distance."""
_NEARER = np.array([1, 1, _NEAR], np.float32)
_CORNERS: Floats = 0.05 * np.array([[-1, -1, 0], [-1, 1, 0], [1, 1, 0], [1, -1, 0]])
_COLOURS = ((0, 255, 0), (0, 0, 255), (255, 0, 0), (255, 0, 255))
_THICKNESS = 15


def rotation_matrix(angles: Array) -> Floats:
    """Turn about x, then y, then z, shape (3, 3), for columns."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix: Floats = about_z @ about_y @ about_x
    return matrix


def translation_in_frame(in_crop: Array, alignment: Alignment, width: int, height: int) -> Array:
    """Position before the frame's camera of a head that was read in a crop.

    Args:
        in_crop: Position before the crop's camera, shape (3,).
        alignment: How the crop was cut.
        width: Width of the frame, in pixels.
        height: Height of the frame, in pixels.

    Returns:
        Shape (3,).
    """
    across, up, away = in_crop.tolist()
    depth = away * alignment.scale
    x, y = (alignment.centre - [width / 2, height / 2]) * (depth / FOCAL)
    return np.array([across - x, up + y, depth], np.float32)


def project_square(angles: Array, translation: Array, side: int) -> Floats:
    """Corners of a turned square before the head, in pixels of a frame of ``side``, shape (4, 2)."""
    moved = _CORNERS @ rotation_matrix(angles).T + translation * _NEARER
    flat = moved[:, :2] / -moved[:, 2:] * (FOCAL * _NEAR) + side / 2
    return np.column_stack([flat[:, 0], side - flat[:, 1]])


def heat_map(angles: Array, translation: Array, side: int) -> Frame:
    """The square's edges, each in its colour, on black; shape (side, side, 3)."""
    corners = project_square(angles, translation, side).astype(np.int32).tolist()  # cut off, not rounded
    image = np.zeros((side, side, 3), np.uint8)
    for row, colour in enumerate(_COLOURS):
        opencv().line(image, corners[row], corners[(row + 1) % 4], colour, _THICKNESS)
    return image
