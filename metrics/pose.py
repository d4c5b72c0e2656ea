"""Head pose transfer: how far the generated head is turned from the driver's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..datasets.manifest import SuiteKind
from ..faces.base import HEAD_ROTATION, Floats
from .base import Metric, MetricSpec, Scene, Scores, check_lengths
from .per_frame import compare_found, mean_detail

AXES = ("yaw", "pitch", "roll")
_GIMBAL = 1e-6


def euler_degrees(rotation: Floats) -> Floats:
    """Yaw, pitch and roll of rotation matrices: R = R_y(yaw) R_x(pitch) R_z(roll), degrees.

    Args:
        rotation: From head axes to camera axes (x right in the picture, y up, z towards the camera), shape (N, 3, 3).

    Returns:
        Angles in (-180, 180], pitch in [-90, 90], shape (N, 3): yaw towards the right of the picture, pitch down, roll
        counter-clockwise as seen. Where the pitch is 90 degrees yaw and roll turn about the same axis: roll is 0 then.

    >>> quarter = np.array([[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    >>> euler_degrees(quarter).tolist()
    [[90.0, 0.0, 0.0]]
    """
    r = rotation
    # The cosine of the pitch from two entries: an arcsine alone is blunt near 90 degrees.
    level = np.hypot(r[:, 1, 0], r[:, 1, 1])
    pitch = np.arctan2(-r[:, 1, 2], level)
    free = level > _GIMBAL
    yaw = np.where(free, np.arctan2(r[:, 0, 2], r[:, 2, 2]), np.arctan2(-r[:, 2, 0], r[:, 0, 0]))
    roll = np.where(free, np.arctan2(r[:, 1, 0], r[:, 1, 1]), 0.0)
    angles: Floats = np.degrees(np.stack([yaw, pitch, roll], axis=1)) + 0.0  # no minus zero
    return angles


def angle_differences(generated: Floats, driving: Floats) -> Floats:
    """Absolute differences of angles in degrees the short way round, in [0, 180].

    >>> angle_differences(np.array([179.0]), np.array([-179.0])).tolist()
    [2.0]
    """
    difference: Floats = np.abs((generated - driving + 180) % 360 - 180)
    return difference


def geodesic_degrees(generated: Floats, driving: Floats) -> Floats:
    """Angle of the single rotation between two orientations (N, 3, 3), in degrees, shape (N,)."""
    # Chord lengths instead of the arccosine of a trace: exact near 0 too.
    chord = np.linalg.norm(generated - driving, axis=(1, 2)) / np.sqrt(8)
    angle: Floats = 2 * np.degrees(np.arcsin(np.clip(chord, 0, 1)))
    return angle


class ApdDegrees(Metric):
    """Average pose distance to the driver; see :func:`euler_degrees`."""

    spec = MetricSpec(
        id="apd_deg/1",
        title="Head pose distance (APD)",
        unit="degrees",
        higher_is_better=False,
        level="frame",
        needs=(HEAD_ROTATION,),
        roles=("driving",),
        kinds=tuple(SuiteKind),
        definition=(
            "For every frame the head's rotation matrix R (head axes to camera axes: x to the right of the picture, y "
            "up, z out of the face to the camera) is split as R = Ry(yaw) Rx(pitch) Rz(roll): pitch = atan2(-R12, "
            "hypot(R10, R11)), yaw = atan2(R02, R22), roll = atan2(R10, R11), indices from 0; where hypot(R10, R11) is "
            "below 1e-6, roll is 0 and yaw = atan2(-R20, R00). The score is the mean of the three absolute differences "
            "between generated and driving frame, each taken the short way round (0 to 180), in degrees. Means per "
            "axis, and of the one angle between both orientations (geodesic, 2 asin(|R - S| / sqrt 8) with the "
            "Frobenius norm), are recorded beside it. Frames without a face on either side are left out and counted; "
            "the case's value is the mean over frames. Rotations of a perspective model depend on where in the frame "
            "the face is, so compare outputs framed alike. Sources: APD in 10 of 12 recent papers as mean L1 of pose "
            "angles, of different pose models; some average radians or add translation: compare within one model only."
        ),
        aliases=("APD",),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, driving = scene.generated.seen, scene.driving.seen
        check_lengths(len(generated.found), len(driving.found))
        found = generated.found & driving.found
        pair = generated.features[HEAD_ROTATION], driving.features[HEAD_ROTATION]
        parts = {f"{name}_deg": compare_found(found, _axis(column), *pair) for column, name in enumerate(AXES)}
        values = np.mean(list(parts.values()), axis=0)
        parts["geodesic_deg"] = compare_found(found, geodesic_degrees, *pair)
        return Scores.of_frames(values, found, mean_detail(parts))


def _axis(column: int) -> Callable[[Floats, Floats], Floats]:
    return lambda own, other: angle_differences(euler_degrees(own), euler_degrees(other))[:, column]
