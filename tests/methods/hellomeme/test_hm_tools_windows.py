"""Cut-out matrices and windows against OpenCV, brute force and what they promise."""

from __future__ import annotations

import hm_faces
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.faces.alignment import apply
from portraitbench.methods.hellomeme.face.points import area, overlap, roll
from portraitbench.methods.hellomeme.face.windows import (
    PART_SIDE,
    PARTS,
    align_box,
    align_points,
    clip_window,
    moved,
    moved_back,
    part_matrices,
    pdfgc_matrix,
    turn,
)

LAYOUT = hm_faces.face_layout()


def face(seed=0, tilt=0.2, size=180.0, centre=(250, 240)):
    points = (LAYOUT - 0.5 + np.random.default_rng(seed).normal(0, 0.01, LAYOUT.shape)) * size
    c, s = np.cos(tilt), np.sin(tilt)
    return points @ np.array([[c, s], [-s, c]]) + centre


@settings(max_examples=30, deadline=None)
@given(st.floats(-170, 170), st.floats(0.2, 4), st.integers(-50, 600), st.integers(-50, 600))
def test_turning_keeps_the_centre_and_turns_counter_clockwise(degrees, scale, x, y):
    matrix = turn(np.array([x, y], float), degrees, scale)
    # As complex numbers with y down, in which a counter-clockwise turn is a negative angle.
    way = scale * np.exp(-1j * np.deg2rad(degrees)) * (30 - 20j)
    assert np.allclose(apply(matrix, np.array([[x, y], [x + 30, y - 20]])), [[x, y], [x + way.real, y + way.imag]])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_points_move_there_and_back_in_their_own_precision(kind):
    points, matrix = face().astype(kind), turn(np.array([120.0, 80]), 33, 0.7)
    there = moved(matrix, points)
    back = moved_back(matrix, there)
    assert (there.dtype, back.dtype) == (kind, kind)
    assert np.allclose(there, apply(matrix, points), atol=1e-3)
    assert np.allclose(back, points, atol=1e-3)


def test_a_box_fills_its_crop_but_for_the_margin():
    box = np.array([100.0, 50, 180, 150])
    matrix = align_box(box, 128, 0.15)
    corners = apply(matrix, box.reshape(2, 2))
    assert np.allclose(corners.mean(axis=0), 64)
    assert np.allclose(np.diff(corners, axis=0), [[0.8 * 0.85 * 128, 0.85 * 128]])


@pytest.mark.parametrize("tilt", [-0.4, 0.0, 0.3])
def test_points_are_levelled_centred_and_fill_the_crop(tilt):
    points = face(tilt=tilt)
    found = align_points(points, 224, 0.15, roll(points))
    moved = apply(found.matrix, points)
    assert roll(moved) == pytest.approx(0, abs=1e-6)
    low, high = moved.min(axis=0), moved.max(axis=0)
    assert np.allclose((low + high) / 2, 112)
    assert (high - low).max() == pytest.approx(0.85 * 224)
    assert np.allclose(found.centre, (points.min(axis=0) + points.max(axis=0)) / 2)
    assert np.sqrt(np.linalg.det(found.matrix[:, :2])) == pytest.approx(found.scale)


def test_roll_is_the_angle_of_the_eye_corners():
    points = np.zeros((222, 2))
    points[96] = [10, 10 * np.tan(np.deg2rad(25))]
    assert roll(points) == pytest.approx(25)


def brute_window(points, width, height):
    """The window by its description: three mean faces wide, raised, pushed inside."""
    sizes = np.mean([one.max(axis=0) - one.min(axis=0) for one in points], axis=0)
    side = min(3 * max(sizes), min(width, height) - 1)
    every = np.concatenate(points)
    x, y = (every.min(axis=0) + every.max(axis=0)) / 2
    y -= 0.115 * side
    left, top = max(x - side / 2, 0), max(y - side / 2, 0)
    left, top = min(left, width - 1 - side), min(top, height - 1 - side)
    return left, top, side


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.floats(40, 300), st.integers(0, 400), st.integers(0, 400), st.integers(360, 700))
def test_the_clip_window_is_square_inside_and_where_it_should_be(seed, size, x, y, width):
    points = np.stack([face(seed, size=size, centre=(x + 7 * row, y - 3 * row)) for row in range(3)])
    height = 420
    left, top, right, bottom = clip_window(points, width, height)
    assert right - left == pytest.approx(bottom - top, abs=1)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    wanted = brute_window(points, width, height)
    assert (left, top) == pytest.approx(wanted[:2], abs=1.01)
    assert right - left == pytest.approx(wanted[2], abs=1.01)


def test_one_window_serves_the_whole_clip():
    still = np.stack([face(centre=(300, 300)), face(centre=(360, 300))])
    one = clip_window(still[:1], 1000, 1000)
    both = clip_window(still, 1000, 1000)
    assert both[0] - one[0] == pytest.approx(30, abs=1)
    assert both[2] - both[0] == pytest.approx(one[2] - one[0], abs=1)


def test_pdfgc_points_come_near_their_places():
    places = np.array([[0.3843, 0.27], [0.62, 0.2668], [0.503, 0.4185], [0.406, 0.5273], [0.5977, 0.525]]) * 224
    points = np.zeros((222, 2))
    points[[182, 202, 36, 149, 133]] = apply(
        np.linalg.inv(np.vstack([turn(np.array([9.0, 4]), 17, 0.6), [0, 0, 1]])), places
    )
    assert np.allclose(apply(pdfgc_matrix(points, 224), points)[[182, 202, 36, 149, 133]], places)


def test_parts_fill_their_crops_over_the_whole_clip():
    points = np.stack([face(seed, tilt=0.1 * seed) for seed in range(3)])
    poses, crops = part_matrices(points, 512)
    placed = np.stack([apply(pose, one) for pose, one in zip(poses, points, strict=True)])
    for part, crop in zip(PARTS, crops, strict=True):
        moved = apply(crop, placed[:, part]).reshape(-1, 2)
        low, high = moved.min(axis=0), moved.max(axis=0)
        assert np.allclose((low + high) / 2, PART_SIDE / 2)
        assert (high - low).max() == pytest.approx(PART_SIDE / 1.2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=8, max_size=8))
def test_overlap_counts_shared_cells(numbers):
    def box(a, b, c, d):
        return np.array([min(a, b), min(c, d), max(a, b) + 1, max(c, d) + 1], float)

    one, other = box(*numbers[:4]), box(*numbers[4:])
    grid = np.zeros((2, 32, 32), bool)
    for row, (left, top, right, bottom) in enumerate([one.astype(int), other.astype(int)]):
        grid[row, top:bottom, left:right] = True
    assert area(one) == grid[0].sum()
    assert overlap(one, other) == pytest.approx(grid.all(axis=0).sum() / grid.any(axis=0).sum())
