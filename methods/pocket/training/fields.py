"""Procedural masks on the face model: soft signed fields per vertex, whose zero lines the shader turns into edges.

Fields are laid down once on the mean face and move with the vertices, so lips, brows, beard and hair follow every
person and every expression. Positive is inside; the unit is about a centimetre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .facekit import EYE, FaceKit, Single

LIP, BROW, HAIR, BEARD, IRIS, BLUSH, CLOTH, STRAND = range(8)
"""Columns of :func:`lay_fields`."""

IRIS_CENTRE = (3.13, 3.62)
"""Of the person's left eye, cm; the right one mirrors it."""

Floats = NDArray[np.float64]


def lay_fields(kit: FaceKit) -> Single:
    """All fields of the mean face, shape (V, 8)."""
    points = kit.neutral.astype(np.float64)
    out = np.zeros((len(points), 8), np.float32)
    out[:, LIP] = _lips(points, points[kit.landmarks])
    out[:, BROW] = _brows(points, points[kit.landmarks])
    out[:, HAIR] = _hair(points)
    out[:, BEARD] = _beard(points)
    out[:, IRIS] = _iris(points, kit)
    out[:, BLUSH] = _blush(points)
    out[:, CLOTH] = -11.4 - points[:, 1] - 0.022 * (np.abs(points[:, 0]) - 6.5).clip(-9) ** 2 * 1.6
    out[:, STRAND] = np.arctan2(points[:, 0], points[:, 2] + 12.0) * 14.0 + 0.25 * np.sin(points[:, 1])
    return out


def _lips(points: Floats, marks: Floats) -> Floats:
    """Signed distance, in the frontal plane, to the outer lip line; everything near it but behind it is far outside."""
    outline = _smooth_loop(marks[48:60, :2])
    distance = _segment_distance(points[:, :2], outline, np.roll(outline, -1, axis=0))
    signed = np.where(_inside(points[:, :2], outline), distance, -distance)
    # The line runs from the corners (z 10.2) to the middle (z 11.8): depth keeps nostrils and neck out.
    return np.where(points[:, 2] > 8.0, signed, -3.0)


def _brows(points: Floats, marks: Floats) -> Floats:
    """Half width of a tapered brow minus the distance to its middle line."""
    field = np.full(len(points), -5.0)
    for line in (marks[17:22], marks[22:27][::-1]):
        middle = line - np.array([0.0, 0.15, 0.0])
        for k in range(4):
            start, end = middle[k], middle[k + 1]
            along = np.clip((points - start) @ (end - start) / np.square(end - start).sum(), 0, 1)
            distance = np.linalg.norm(points - start - along[:, None] * (end - start), axis=1)
            width = 0.14 + 0.26 * np.sin(0.5 * np.pi * np.clip((k + along + 0.15) / 2.6, 0, 1))
            field = np.maximum(field, width - distance)
    return field


def _hair(points: Floats) -> Floats:
    """Height above a hairline that runs from the forehead past temples and ears to the nape; ears are left out."""
    x, y, z = points.T
    depth = [-9.0, -5.0, -2.6, -0.6, 1.2, 2.6, 4.5, 7.0, 9.0, 11.0]
    height = [-6.5, -5.5, -3.0, 3.5, 1.6, 3.6, 6.6, 8.6, 9.4, 10.2]
    line = np.interp(z, depth, height)
    field = y - line
    ear = (np.abs(x) > 7.2) & (z > -3.2) & (z < 1.4) & (y < 4.9)
    return np.where(ear | (y < -9), -3.0, np.clip(field, -3, 4))


def _beard(points: Floats) -> Floats:
    """Cheeks below a line from ear to mouth corner, chin and upper lip; not the neck."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    cheek = np.interp(x, [0.0, 2.4, 4.0, 6.0, 7.2, 8.0], [-1.35, -1.7, -2.9, -1.9, 1.5, 2.0]) - y
    jaw = np.minimum(y + 9.0, z - 0.6)
    return np.asarray(np.minimum(np.minimum(cheek, jaw), 1.5), np.float64)


def _iris(points: Floats, kit: FaceKit) -> Floats:
    """Distance from the optical axis on the front of the eyeballs; far away everywhere else."""
    field = np.full(len(points), 9.0)
    eye = np.unique(kit.triangles[kit.paint == EYE])
    x, y, z = points[eye].T
    field[eye] = np.where(z > 8.2, np.hypot(np.abs(x) - IRIS_CENTRE[0], y - IRIS_CENTRE[1]), 9.0)
    return field


def _blush(points: Floats) -> Floats:
    """Where skin is redder: cheeks, nose tip, chin."""
    spots = [(4.6, -0.3, 8.6, 2.1, 0.8), (0.0, 0.4, 13.0, 1.3, 0.9), (0.0, -6.3, 11.0, 1.2, 0.35)]
    mirrored = points * np.array([1.0, 1.0, 1.0])
    mirrored[:, 0] = np.abs(mirrored[:, 0])
    total = np.zeros(len(points))
    for x, y, z, radius, strength in spots:
        total += strength * np.exp(-np.square((mirrored - [x, y, z]) / radius).sum(axis=1) / 2)
    return total


def _smooth_loop(corners: Floats, times: int = 2) -> Floats:
    """Round a closed polygon by corner cutting that keeps the given corners (four-point scheme)."""
    for _ in range(times):
        middle = (9 * (corners + np.roll(corners, -1, axis=0)) - np.roll(corners, 1, axis=0)) / 16
        middle -= np.roll(corners, -2, axis=0) / 16
        corners = np.stack([corners, middle], axis=1).reshape(-1, 2)
    return corners


def _segment_distance(points: Floats, start: Floats, end: Floats) -> Floats:
    """Distance of points (N, 2) to the nearest of the segments (K, 2) to (K, 2)."""
    best = np.full(len(points), np.inf)
    for a, b in zip(start, end, strict=True):
        along = np.clip((points - a) @ (b - a) / max(float(np.square(b - a).sum()), 1e-12), 0, 1)
        best = np.minimum(best, np.linalg.norm(points - a - along[:, None] * (b - a), axis=1))
    return best


def _inside(points: Floats, outline: Floats) -> NDArray[np.bool_]:
    """Even-odd rule for points (N, 2) in a closed polygon (K, 2)."""
    inside = np.zeros(len(points), bool)
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        crosses = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        at = a[0] + (points[:, 1] - a[1]) / (b[1] - a[1] if b[1] != a[1] else 1e-12) * (b[0] - a[0])
        inside ^= crosses & (points[:, 0] < at)
    return inside
