"""Triangles to pixels: blended vertices, vertex normals, and a z-buffer that remembers which triangle won."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .facekit import SKIN, Index, Single


@compiled
def blend(base: Single, modes: Single, weights: Single) -> Single:
    """Add weighted displacements, shape (K, V, 3), to vertices, shape (V, 3); zero weights cost nothing."""
    out = base.copy()
    for k in range(len(weights)):
        weight = weights[k]
        if weight != 0:
            for v in range(len(out)):
                for axis in range(3):
                    out[v, axis] += weight * modes[k, v, axis]
    return out


@compiled
def vertex_normals(vertices: Single, triangles: Index) -> Single:
    """Unit normals per vertex, weighted by triangle area, shape (V, 3)."""
    out = np.zeros_like(vertices)
    for f in range(len(triangles)):
        a, b, c = triangles[f]
        ux, uy, uz = vertices[b] - vertices[a]
        vx, vy, vz = vertices[c] - vertices[a]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(len(out)):
        length = np.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2) + 1e-12
        for axis in range(3):
            out[v, axis] /= length
    return out


@compiled
def rasterize(
    points: Single, triangles: Index, paint: NDArray[np.int8], size: int
) -> tuple[NDArray[np.int32], Single, Single]:
    """Find the nearest triangle of every pixel.

    Args:
        points: Projected vertices: x right, y down (pixel centres at integers), nearness (larger is nearer), (V, 3).
        triangles: Vertex indices, shape (F, 3).
        paint: What each triangle is painted as; skin seen from behind is left out, shape (F,).
        size: Side of the square picture.

    Returns:
        Triangle per pixel or -1, shape (size, size); weights of its first two vertices, (size, size, 2); nearness,
        (size, size).
    """
    owner = np.full((size, size), -1, np.int32)
    weights = np.zeros((size, size, 2), np.float32)
    near = np.full((size, size), -np.inf, np.float32)
    for f in range(len(triangles)):
        a, b, c = triangles[f]
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        # y points down, so triangles that face the camera have a negative area.
        if area == 0 or (area > 0 and paint[f] == SKIN):
            continue
        left, right = max(0, int(np.ceil(min(ax, bx, cx)))), min(size - 1, int(np.floor(max(ax, bx, cx))))
        top, bottom = max(0, int(np.ceil(min(ay, by, cy)))), min(size - 1, int(np.floor(max(ay, by, cy))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                wc = 1 - wa - wb
                if wa >= 0 and wb >= 0 and wc >= 0:
                    nearness = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                    if nearness > near[y, x]:
                        near[y, x] = nearness
                        owner[y, x] = f
                        weights[y, x, 0] = wa
                        weights[y, x, 1] = wb
    return owner, weights, near
