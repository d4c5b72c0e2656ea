"""Similarity alignment: the transform that moves one set of points onto another, and face crops made with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..datasets.clip import Frame
from .base import Face, Floats

ARCFACE_SIZE = 112
"""Side of the crop that ArcFace networks read."""

ARCFACE_TEMPLATE: Floats = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where eyes, nose tip and mouth corners lie in that crop, in pixels (InsightFace's template)."""
ARCFACE_TEMPLATE.flags.writeable = False


def umeyama(source: Floats, target: Floats) -> Floats:
    """Find the similarity transform that maps one set of points onto another with the least squared error.

    Rotation, uniform scale and translation, never a mirror image: Umeyama, "Least-squares estimation of
    transformation parameters between two point patterns", PAMI 1991, equations 40-43.

    Args:
        source: Points, shape (K, 2), K >= 2.
        target: Where they should come to lie, shape (K, 2).

    Returns:
        Homogeneous matrix, shape (3, 3): ``apply(matrix, source)`` is nearest to ``target``.

    Raises:
        ValueError: When the shapes differ or are not (K, 2) with K >= 2, a coordinate is not finite, or all source
            points coincide.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise ValueError(f"points must both have shape (K, 2) with K >= 2, not {source.shape} and {target.shape}")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError("points must be finite")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred = source - source_mean
    variance = float(np.square(centred).sum())
    if variance <= np.finfo(np.float64).eps * float(np.square(source).sum()):
        raise ValueError("the source points coincide")
    u, singular, vt = np.linalg.svd((target - target_mean).T @ centred)
    # The sign keeps the determinant positive where the nearest orthogonal matrix would mirror the points.
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    linear = (singular @ sign) / variance * (u * sign) @ vt
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = target_mean - linear @ source_mean
    return matrix


def apply(matrix: Floats, points: Floats) -> Floats:
    """Move points, shape (..., 2), by an affine matrix of shape (2, 3) or (3, 3)."""
    moved: Floats = points @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def five_points(face: Face) -> Floats:
    """Eye centres, nose tip and mouth corners of a face, shape (5, 2), viewer's left first.

    Taken from the detector where it gives them, else from the 68 landmarks: eye centres are the means of points 36-41
    and 42-47, the nose tip is point 30, the mouth corners are points 48 and 54.

    Raises:
        ValueError: When the face has neither.
    """
    if face.points is not None:
        return face.points
    if face.landmarks is None:
        raise ValueError("the face has neither five points nor 68 landmarks")
    marks = face.landmarks
    return np.stack([marks[36:42].mean(axis=0), marks[42:48].mean(axis=0), marks[30], marks[48], marks[54]])


def arcface_matrix(points: Floats) -> Floats:
    """Transform from frame pixels to the ArcFace crop, shape (3, 3), for five points of shape (5, 2)."""
    return umeyama(points, ARCFACE_TEMPLATE)


def bilinear_taps(matrix: Floats, size: int, height: int, width: int) -> tuple[NDArray[np.int64], Floats]:
    """Work out which frame pixels each crop pixel is mixed from, shared by the NumPy and the torch crop.

    Args:
        matrix: From frame pixels to crop pixels, shape (3, 3).
        size: Side of the square crop.
        height: Frame height.
        width: Frame width.

    Returns:
        Indices into the flattened frame and their weights, both of shape (4, size * size). Pixels outside the frame
        weigh nothing, which makes them black.

    Raises:
        ValueError: When the matrix cannot be inverted.
    """
    if not abs(np.linalg.det(matrix)) > np.finfo(np.float64).tiny:
        raise ValueError("the alignment matrix cannot be inverted")
    rows, columns = np.mgrid[0:size, 0:size].reshape(2, -1)
    inverse = np.asarray(np.linalg.inv(matrix), np.float64)
    at = apply(inverse, np.stack([columns, rows], axis=-1).astype(np.float64))
    # One pixel beyond the border everything is black already; clipping keeps far positions within integer range.
    at = np.clip(at, -1, np.array([width, height]))
    corner = np.floor(at).astype(np.int64)
    fx, fy = (at - corner).T
    x = corner[:, 0] + np.array([[0], [1], [0], [1]])
    y = corner[:, 1] + np.array([[0], [0], [1], [1]])
    weights = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return np.where(inside, y * width + x, 0), np.where(inside, weights, 0.0)


def warp_face(frame: Frame, matrix: Floats, size: int = ARCFACE_SIZE) -> Floats:
    """Cut an aligned square crop out of a frame: bilinear, black outside the frame, not rounded.

    Args:
        frame: uint8 RGB, shape (H, W, 3).
        matrix: From frame pixels to crop pixels, shape (3, 3).
        size: Side of the crop.

    Returns:
        The crop in [0, 255], shape (size, size, 3).

    Raises:
        ValueError: When the matrix cannot be inverted.
    """
    index, weight = bilinear_taps(matrix, size, *frame.shape[:2])
    crop: Floats = np.einsum("kpc,kp->pc", frame.reshape(-1, 3)[index], weight)
    return crop.reshape(size, size, 3)
