"""Placing the 222 points: the network reads the face, and twice again as its own points cut the face out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....core.errors import WeightsError
from ....datasets.clip import Frame
from ....faces.base import Floats
from ..weights import OWNER
from .networks import FaceNetwork, first_row, picture
from .pixels import warp
from .points import COUNT, Number, Points, roll
from .windows import align_box, align_points, moved_back

_SIDE, _MARGIN, _PASSES = 128, 0.15, 3
_OUTPUTS = 3
"""Points, angles and score."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What the landmark network says of a face.

    Attributes:
        points: Landmarks in frame pixels, shape (222, 2).
        pitch: Pitch of the head, in degrees.
        yaw: Yaw of the head, in degrees.
        score: Confidence that the crop shows a face, in [0, 1].
        crop_roll: Tilt of the eyes in the crop that was read, in degrees.
    """

    points: Points
    pitch: Number
    yaw: Number
    score: Number
    crop_roll: float


class LandmarkReader:
    """Places the points of one face.

    Args:
        network: Reads a crop of 128 pixels, channels blue, green, red.
    """

    def __init__(self, network: FaceNetwork) -> None:
        self._network = network

    def in_box(self, frame: Frame, box: Points) -> Reading:
        """Read the face in a detected box, shape (4,)."""
        return self._passes(frame, align_box(box, _SIDE, _MARGIN))

    def near(self, frame: Frame, points: Points) -> Reading:
        """Read the face whose points of the frame before are known, shape (222, 2)."""
        return self._passes(frame, _around(points, roll(points)))

    def _passes(self, frame: Frame, matrix: Floats) -> Reading:
        reading = self._read(frame, matrix)
        for _ in range(_PASSES - 1):
            if not np.ptp(reading.points, axis=0).any():
                return replace(reading, score=np.float32(0))  # there is nothing to cut out around a single place
            # Upstream turns by the tilt seen in the last crop, not in the frame: after a level crop that is next to
            # nothing, so level and upright crops take turns. The published network was used that way.
            reading = self._read(frame, _around(reading.points, reading.crop_roll))
        return reading

    def _read(self, frame: Frame, matrix: Floats) -> Reading:
        answers = self._network(picture(warp(frame, matrix, _SIDE), bgr=True))
        if len(answers) < _OUTPUTS:
            raise WeightsError(
                f"{OWNER}: the landmark network answers {len(answers)} times: the file is of another model"
            )
        landmark, euler, score = answers[:_OUTPUTS]
        in_crop = first_row(landmark, 2 * COUNT, "the landmark network").reshape(2, -1).T * _SIDE
        pitch, yaw = np.rad2deg(first_row(euler, 2, "the landmark network")[:2])
        certain = first_row(score, 1, "the landmark network")[0]
        return Reading(moved_back(matrix, in_crop), pitch, yaw, certain, roll(in_crop))


def _around(points: Points, degrees: float) -> Floats:
    return align_points(points, _SIDE, _MARGIN, degrees).matrix
