from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import points_in_poly

pytest.importorskip("numba")

from portraitbench.methods.pocket.training.facekit import EYE, SKIN
from portraitbench.methods.pocket.training.fields import _inside, _segment_distance
from portraitbench.methods.pocket.training.raster import blend, rasterize, vertex_normals


def brute_force(points, triangles, paint, size):
    """Every pixel against every triangle in float64, by solving for barycentric coordinates."""
    owner = np.full((size, size), -1)
    for y in range(size):
        for x in range(size):
            best = -np.inf
            for f, corners in enumerate(triangles):
                system = np.vstack([points[corners, :2].T, np.ones(3)]).astype(np.float64)
                if abs(np.linalg.det(system)) < 1e-9 or (np.linalg.det(system) > 0 and paint[f] == SKIN):
                    continue
                weights = np.linalg.solve(system, [x, y, 1])
                nearness = weights @ points[corners, 2]
                if (weights >= 0).all() and nearness > best:
                    best, owner[y, x] = nearness, f
    return owner


@pytest.mark.parametrize("seed", range(4))
def test_z_buffer_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-4, 20, (18, 3)).astype(np.float32)
    triangles = rng.permutation(18).reshape(6, 3).astype(np.int32)
    paint = rng.choice(np.array([SKIN, EYE], np.int8), 6)
    owner, weights, near = rasterize(points, triangles, paint, 16)
    assert np.array_equal(owner, brute_force(points, triangles, paint, 16))
    assert (owner >= 0).any()
    y, x = np.argwhere(owner >= 0)[0]
    corners = points[triangles[owner[y, x]]].astype(np.float64)
    own = np.array([*weights[y, x], 1 - weights[y, x].sum()])
    assert own @ corners == pytest.approx([x, y, near[y, x]], abs=1e-3)


def test_the_nearer_triangle_wins_whatever_the_order():
    square = np.array([[0, 0], [0, 9], [9, 9]], np.float32)
    points = np.concatenate([np.c_[square, np.full(3, near, np.float32)] for near in (1.0, 2.0)]).astype(np.float32)
    paint = np.full(2, EYE, np.int8)
    for order in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        owner, _, _ = rasterize(points, np.array(order, np.int32), paint, 10)
        winner = next(index for index, corners in enumerate(order) if corners[0] == 3)
        assert set(owner[owner >= 0].tolist()) == {winner}


def test_blend_is_the_weighted_sum():
    rng = np.random.default_rng(0)
    base, modes = rng.normal(size=(7, 3)), rng.normal(size=(5, 7, 3))
    weights = np.array([0.0, 1.0, 0.0, -0.5, 2.0])
    out = blend(base.astype(np.float32), modes.astype(np.float32), weights.astype(np.float32))
    assert out == pytest.approx(base + np.einsum("k,kva->va", weights, modes), abs=1e-5)


def test_normals_of_a_sphere_point_outwards():
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    triangles = ConvexHull(points).simplices
    a, b, c = (points[triangles[:, k]] for k in range(3))
    inwards = (np.cross(b - a, c - a) * a).sum(axis=1) < 0
    triangles[inwards] = triangles[inwards][:, ::-1]
    normals = vertex_normals(points.astype(np.float32), triangles.astype(np.int32))
    assert (normals * points).sum(axis=1).min() > 0.95


def test_inside_agrees_with_skimage():
    rng = np.random.default_rng(0)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    outline = rng.uniform(0.5, 1.5, (9, 1)) * np.c_[np.cos(angles), np.sin(angles)]
    points = rng.uniform(-1.5, 1.5, (500, 2))
    assert np.array_equal(_inside(points, outline), points_in_poly(points, outline))


def test_segment_distance_agrees_with_dense_samples():
    rng = np.random.default_rng(0)
    start, end, points = rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), rng.normal(size=(20, 2))
    along = np.linspace(0, 1, 2001)[:, None, None]
    dense = (start + along * (end - start)).reshape(-1, 2)
    expected = np.linalg.norm(points[:, None] - dense, axis=2).min(axis=1)
    assert _segment_distance(points, start, end) == pytest.approx(expected, abs=2e-3)
