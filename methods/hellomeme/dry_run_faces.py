"""Face networks of ``weights=random-tiny``: they stand in for the published files, behind the real face tools.

Each answers in its file's shapes. They know no face: they see one in the middle of every picture, and only the turn of
the head and the expression coefficients follow the pixels. Following, cropping, warping and the heat map are the real
code.
"""

from __future__ import annotations

import numpy as np

from ...faces.base import Floats
from .face.detector import HEIGHT, STRIDES, WIDTH, FaceDetector
from .face.heads import ExpressionReader, HeadReader
from .face.landmarks import LandmarkReader
from .face.networks import Array
from .face.points import BROWS, CONTOUR, COUNT, LEFT_EYE, LEFT_PUPIL, MOUTH, NOSE, RIGHT_EYE, RIGHT_PUPIL
from .face_tools import Models
from .inputs import COEFFICIENTS, Control

_HALF = 5
"""Coarse cells of eight picture pixels from the middle to the sides of the box: half the width of a square frame."""
_TURN, _LARGEST_TURN = 2.0, 0.5
"""Turn of the head in radians where one half of the picture is white and the other black, and the most it may be."""
_DISTANCE = 6.0


def dry_run_models(control: Control) -> Models:
    """The face models without files."""
    expression = ExpressionReader(read_coefficients, COEFFICIENTS) if control is Control.CNTRL1 else None
    return Models(FaceDetector(detect), LandmarkReader(place_points), HeadReader(read_head), expression)


def detect(image: Array) -> list[Array]:  # noqa: ARG001 - the face is always in the middle
    """One box in the middle of the detector's picture."""
    sizes = [-(-HEIGHT // stride) * -(-WIDTH // stride) for stride in STRIDES]
    scores, boxes = ([np.zeros((1, size, width), np.float32) for size in sizes] for width in (1, 32))
    across = WIDTH // STRIDES[0]
    middle = HEIGHT // STRIDES[0] // 2 * across + across // 2
    scores[0][0, middle] = 1.0
    boxes[0][0, middle, _HALF::8] = 50.0
    return [*scores, *boxes]


def place_points(image: Array) -> list[Array]:  # noqa: ARG001 - always the same face
    """The points of a plain face that looks straight ahead, its turn, and certainty."""
    points = face_points().T.reshape(1, -1).astype(np.float32)
    return [points, np.zeros((1, 3), np.float32), np.ones((1, 1), np.float32)]


def read_head(image: Array) -> list[Array]:
    """A head before the camera that turns to where the picture is brighter."""
    numbers = np.zeros((1, 1201), np.float32)
    gray = image.mean((0, 1))
    half = len(gray) // 2
    down, right = gray[half:].mean() - gray[:half].mean(), gray[:, half:].mean() - gray[:, :half].mean()
    numbers[0, 1168:1170] = np.clip(_TURN * np.array([down, right]), -_LARGEST_TURN, _LARGEST_TURN)
    numbers[0, 1200] = -_DISTANCE
    return [numbers]


def read_coefficients(image: Array) -> list[Array]:
    """Brightness of the picture's columns as expression coefficients."""
    columns = np.array_split(image.mean((0, 1, 2)), COEFFICIENTS)
    return [np.array([[column.mean() for column in columns]], np.float32)]


def face_points() -> Floats:
    """222 points of a plain face in a crop that it fills as the landmark network's crops are filled, shape (222, 2)."""
    points = np.empty((COUNT, 2))
    points[CONTOUR] = _arc((0.5, 0.27), (0.38, 0.655), 33, (np.pi, 0))
    points[NOSE] = _arc((0.5, 0.45), (0.07, 0.1), 15, (-np.pi / 2, 1.5 * np.pi))
    points[BROWS][:13] = _arc((0.33, 0.2), (0.12, 0.125), 13, (np.pi, 2 * np.pi))
    points[BROWS][13:] = _arc((0.67, 0.2), (0.12, 0.125), 13, (np.pi, 2 * np.pi))
    points[LEFT_EYE] = _arc((0.33, 0.32), (0.09, 0.035), 22, (np.pi, 3 * np.pi))
    points[RIGHT_EYE] = _arc((0.67, 0.32), (0.09, 0.035), 22, (0, 2 * np.pi))
    points[MOUTH] = _arc((0.5, 0.7), (0.14, 0.06), 64, (np.pi, 3 * np.pi))
    points[LEFT_PUPIL] = _arc((0.33, 0.32), (0.02, 0.02), 20, (0, 2 * np.pi))
    points[RIGHT_PUPIL] = _arc((0.67, 0.32), (0.02, 0.02), 20, (0, 2 * np.pi))
    return points


def _arc(centre: tuple[float, float], radii: tuple[float, float], count: int, ends: tuple[float, float]) -> Floats:
    """Points on an ellipse, y downwards."""
    angles = np.linspace(*ends, count)
    arc: Floats = np.column_stack([np.cos(angles), np.sin(angles)]) * radii + centre
    return arc
