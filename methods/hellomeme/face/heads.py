"""What the other two face models read: the head's turn and place, and expression coefficients."""

from __future__ import annotations

from dataclasses import dataclass

from ....datasets.clip import Frame
from ....faces.base import Floats
from .networks import Array, FaceNetwork, first_row, picture
from .pixels import warp
from .points import roll
from .pose import translation_in_frame
from .windows import align_points

_SIDE = 224
_HEAD_MARGIN, _EXPRESSION_MARGIN = 0.35, 0.15
_NUMBERS, _ANGLES, _TRANSLATION = 1201, slice(1168, 1171), slice(1198, 1201)
"""The 3D face model's: 526 of the person, 203 of expression, 439 of skin, 3 angles, 27 of light, 3 of place."""


@dataclass(frozen=True, eq=False)
class Head:
    """A head before the frame's camera.

    Attributes:
        angles: About x, y and z in radians, shape (3,).
        translation: In the face model's units, shape (3,).
    """

    angles: Array
    translation: Array


class HeadReader:
    """Reads heads.

    Args:
        network: Reads a crop of 224 pixels, channels red, green, blue.
    """

    def __init__(self, network: FaceNetwork) -> None:
        self._network = network

    def __call__(self, frame: Frame, points: Floats) -> Head:
        """Read the head whose points are known, shape (222, 2)."""
        alignment = align_points(points, _SIDE, _HEAD_MARGIN)
        answers = self._network(picture(warp(frame, alignment.matrix, _SIDE), bgr=False))
        numbers = first_row(answers[0], _NUMBERS, "the 3D face model")
        height, width = frame.shape[:2]
        translation = translation_in_frame(numbers[_TRANSLATION], alignment, width, height)
        return Head(numbers[_ANGLES], translation)


class ExpressionReader:
    """Reads ARKit's expression coefficients.

    Args:
        network: Reads a level crop of 224 pixels, channels blue, green, red.
        count: How many coefficients it gives.
    """

    def __init__(self, network: FaceNetwork, count: int) -> None:
        self._network = network
        self._count = count

    def __call__(self, frame: Frame, points: Floats) -> Array:
        """Coefficients of the face whose points are known, shape (count,)."""
        alignment = align_points(points, _SIDE, _EXPRESSION_MARGIN, roll(points))
        answers = self._network(picture(warp(frame, alignment.matrix, _SIDE), bgr=True))
        row = first_row(answers[0], self._count, "the blendshape network")
        return row[: self._count]
