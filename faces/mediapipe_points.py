"""What is read off the 478 points of MediaPipe's face mesh: the 68 iBUG points, five points, a box, and the gaze."""

from __future__ import annotations

import numpy as np

from .base import Floats

IBUG_68: tuple[int, ...] = (
    *(127, 234, 177, 215, 172, 136, 149, 148, 152, 377, 378, 365, 397, 435, 401, 454, 356),  # 0-16 jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # 17-26 brows
    *(168, 197, 195, 4, 75, 97, 2, 326, 305),  # 27-35 nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # 36-47 eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # 48-59 outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # 60-67 inner lips
)
"""Mesh point for each iBUG point, mirror-symmetric.

The mesh has points on eyes, lips, nose and brows where iBUG has them. On the jaw no mesh point follows the picture's
outline as iBUG does when the head turns; there, and at the outer ends of the brows, the point nearest to dlib's on the
public portraits was taken (the table in ``docs/metrics.md`` says how near).
"""
IRISES = (468, 473)
"""Iris centres, viewer's left first."""
_CORNERS = ((33, 133), (362, 263))
_EYEBALL = 0.4
"""Eyeball radius in widths of the eye's opening: 12 mm of 30 mm."""


def mesh_to_ibug68(mesh: Floats) -> Floats:
    """Pick the 68 iBUG points out of mesh points (..., 478, 2 or 3), shape (..., 68, 2)."""
    return mesh[..., list(IBUG_68), :2]


def mesh_to_five(mesh: Floats) -> Floats:
    """Iris centres, nose tip and mouth corners of a mesh (478, 2 or 3), shape (5, 2), viewer's left first."""
    return mesh[[*IRISES, 4, 61, 291], :2]


def mesh_to_box(mesh: Floats) -> Floats:
    """Box around all points of a mesh (478, 2 or 3): forehead to chin; x0, y0, x1, y1 in pixels."""
    return np.concatenate([mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0) + 1])


def mesh_to_gaze(mesh: Floats) -> Floats:
    """Yaw and pitch of the eyes from where the irises lie between the eyes' corners, in degrees, shape (2,).

    For each eye the iris centre's offset from the middle of the two corners is split into a part along the line of the
    corners (to the right of the picture) and one across it (down); divided by the eyeball's radius (.4 of the distance
    of the corners) each is the sine of an angle. The answer is the mean over both eyes. The picture plane alone is
    used, so that a turned head leans in, the same way for everybody.
    """
    offsets = []
    for iris, (left, right) in zip(IRISES, _CORNERS, strict=True):
        axis = mesh[right, :2] - mesh[left, :2]
        width = max(float(np.linalg.norm(axis)), np.finfo(np.float64).tiny)
        along = axis / width
        offset = mesh[iris, :2] - (mesh[left, :2] + mesh[right, :2]) / 2
        axes = np.stack([along, np.array([-along[1], along[0]])])
        offsets.append(axes @ offset / (_EYEBALL * width))
    angles: Floats = np.degrees(np.arcsin(np.clip(offsets, -1, 1))).mean(axis=0)
    return angles
