"""Gaze transfer: the angle between where the generated and the driving eyes look."""

from __future__ import annotations

import numpy as np

from ..datasets.manifest import SuiteKind
from ..faces.base import GAZE, Floats
from .base import Metric, MetricSpec, Scene, Scores, check_lengths
from .per_frame import compare_found


def gaze_direction(angles: Floats) -> Floats:
    """Unit vectors of yaw and pitch in degrees: (N, 2) to (N, 3), (sin yaw cos pitch, sin pitch, cos yaw cos pitch).

    >>> gaze_direction(np.array([[0.0, 90.0]])).round(9).tolist()
    [[0.0, 1.0, 0.0]]
    """
    yaw, pitch = np.radians(angles).T
    return np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=1)


def gaze_angle(generated: Floats, driving: Floats) -> Floats:
    """Angle between gaze directions given as yaw and pitch (N, 2), degrees, shape (N,)."""
    chord = np.linalg.norm(gaze_direction(generated) - gaze_direction(driving), axis=1) / 2
    angle: Floats = 2 * np.degrees(np.arcsin(np.clip(chord, 0, 1)))
    return angle


class GazeDegrees(Metric):
    """Angle between the gaze of output and driver; see :func:`gaze_angle`."""

    spec = MetricSpec(
        id="gaze_deg/1",
        title="Gaze distance",
        unit="degrees",
        higher_is_better=False,
        level="frame",
        needs=(GAZE,),
        roles=("driving",),
        kinds=tuple(SuiteKind),
        definition=(
            "Angle, in degrees, between the directions in which the eyes of the generated and of the driving face "
            "look relative to the head: each direction is the vector (sin yaw cos pitch, sin pitch, cos yaw cos "
            "pitch) of the yaw (to the right of the picture) and pitch (down) that the face model gives. MediaPipe's "
            "are read off its mesh in pixels (irises 468 and 473, corners 33, 133 and 362, 263; for each eye the "
            "first corner is the left one in the picture): per eye the offset of the iris centre from the middle of "
            "the corners, along the line from the left to the right corner and across it (down), divided by .4 of the "
            "corners' distance and cut to [-1, 1], is the sine of that eye's yaw and pitch; the angles of both eyes "
            "are averaged. Frames where a side has its eyes closed (mean of the two eyeBlink scores above .5) or no "
            "face are left out and counted; the case's value is the mean over frames. The shape of the eyes enters (a "
            "resting pitch differs by some degrees between people) and so does a turned head, the same way on both "
            "sides: an output in another pose than the driver's is charged for that here too. Source: the gaze error "
            "of recent papers, which use appearance networks; not comparable with those."
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, driving = scene.generated.seen, scene.driving.seen
        check_lengths(len(generated.found), len(driving.found))
        found = generated.found & driving.found
        values = compare_found(found, gaze_angle, generated.features[GAZE], driving.features[GAZE])
        return Scores.of_frames(values, found)
