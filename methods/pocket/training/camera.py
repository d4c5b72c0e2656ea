"""Where a head stands and how it falls into the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .facekit import FaceKit, Single

DISTANCE = 70.0
"""From the camera to the head, cm: a portrait lens."""
SHARE = 0.60
"""Height of the neutral landmarks, at the pivot's depth, as a share of the frame; nearer, they fill about 0.67."""
CENTRE = 0.54
"""Where the middle of the landmarks lies, as a share of the frame's height."""
PIVOT = np.array([0.0, -1.0, 3.0], np.float32)
"""The head turns about this point."""


@dataclass(frozen=True)
class Pose:
    """Attitude of the head and framing of one picture.

    Attributes:
        yaw: To the person's left (right in the picture), radians.
        pitch: Down, radians.
        roll: Towards the person's left shoulder, radians.
        dx: Shift of the frame's content to the right, in frame sides.
        dy: Shift downwards, in frame sides.
        zoom: Magnification.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    zoom: float = 1.0

    @property
    def vector(self) -> Single:
        """All six numbers, shape (6,)."""
        return np.array([self.yaw, self.pitch, self.roll, self.dx, self.dy, self.zoom], np.float32)


def rotation(pose: Pose) -> NDArray[np.float64]:
    """Rotation matrix of a pose: roll, then pitch, then yaw, shape (3, 3)."""
    cy, sy = np.cos(pose.yaw), np.sin(pose.yaw)
    cp, sp = np.cos(pose.pitch), np.sin(pose.pitch)
    cr, sr = np.cos(pose.roll), np.sin(pose.roll)
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    roll = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(yaw @ pitch @ roll, np.float64)


@dataclass(frozen=True)
class Camera:
    """The crop of one person: set by the neutral face once, so that an open jaw does not shrink the face.

    Attributes:
        x: What comes to lie on the frame's vertical middle line, cm.
        y: What comes to lie at :data:`CENTRE`, cm.
        scale: Frame sides per cm at the pivot's depth.
    """

    x: float
    y: float
    scale: float

    @classmethod
    def of(cls, neutral: Single, kit: FaceKit) -> Camera:
        """The crop of a person from the neutral vertices, shape (V, 3)."""
        low, high = neutral[kit.landmarks].min(axis=0), neutral[kit.landmarks].max(axis=0)
        return cls(float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, SHARE / float(high[1] - low[1]))

    def project(self, vertices: Single, pose: Pose, size: int) -> Single:
        """Picture coordinates of turned vertices.

        Args:
            vertices: Shape (V, 3), cm.
            pose: Its framing part is used here; see :func:`turned` for the attitude.
            size: Side of the frame in pixels.

        Returns:
            x right and y down in pixels, pixel centres at integers, and nearness, shape (V, 3), float32.
        """
        grow = DISTANCE / (DISTANCE + PIVOT[2] - vertices[:, 2]) * (self.scale * pose.zoom)
        out = np.empty_like(vertices)
        out[:, 0] = ((vertices[:, 0] - self.x) * grow + 0.5 + pose.dx) * size - 0.5
        out[:, 1] = ((self.y - vertices[:, 1]) * grow + CENTRE + pose.dy) * size - 0.5
        out[:, 2] = grow
        return out


def neck_share(neutral: Single) -> Single:
    """How much of the head's turn each vertex takes part in: 1 above the neck, 0 at the shoulders, shape (V,)."""
    share = np.clip((neutral[:, 1] + 14.0) / 5.5, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def turned(vertices: Single, share: Single, pose: Pose) -> Single:
    """Turn the head about :data:`PIVOT`; shoulders stay.

    Args:
        vertices: Shape (V, 3).
        share: From :func:`neck_share`.
        pose: Its attitude is used.
    """
    moved = (vertices - PIVOT) @ rotation(pose).T.astype(np.float32) + PIVOT
    return np.asarray(vertices + share[:, None] * (moved - vertices), np.float32)
