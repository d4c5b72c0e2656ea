"""Crops and intensity buckets against hand-made arithmetic, NumPy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portraitbench.core.errors import NoFaceError
from portraitbench.methods.hunyuanportrait.crops import (
    crop_expression,
    crop_portrait,
    paste_back,
    portrait_box,
    resize_square,
)
from portraitbench.methods.hunyuanportrait.intensity import intensities, intensity


def box(*edges):
    return np.array(edges, float)


@pytest.mark.parametrize(
    ("face", "size", "expected"),
    [
        ((100, 100, 200, 200), (300, 300), (0, 0, 300, 300)),  # three times the face, all of it inside
        ((100, 200, 200, 300), (600, 600), (0, 100, 300, 400)),
        ((250, 100, 310, 200), (600, 600), (190, 60, 370, 240)),  # the narrow face's width; its own centre
        ((100, 10, 200, 110), (600, 600), (45, 0, 255, 210)),  # cut off above: the square is 210, x about the face
        ((10, 100, 110, 200), (600, 600), (0, 45, 210, 255)),
        ((0, 0, 50, 400), (400, 600), (0, 150, 100, 250)),  # a square of 100, in the middle of the tall face
        ((500, 300, 600, 400), (400, 600), (400, 200, 600, 400)),  # the corner leaves a square already
    ],
)
def test_the_portrait_is_three_faces_wide_square_inside_and_near_the_face(face, size, expected):
    assert portrait_box(box(*face), *size) == expected


@given(st.integers(80, 900), st.integers(80, 900), st.tuples(*[st.floats(0.0, 1.0)] * 4))
def test_the_portrait_lies_in_the_frame_and_holds_the_face_as_well_as_it_can(height, width, shares):
    x, y = shares[0] * 0.7 * width, shares[1] * 0.7 * height
    face = box(x, y, x + 10 + shares[2] * 0.3 * width, y + 10 + shares[3] * 0.3 * height)
    x0, y0, x1, y1 = portrait_box(face, height, width)
    assert abs((x1 - x0) - (y1 - y0)) <= 1
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height


def test_a_face_outside_the_frame_is_a_typed_row():
    with pytest.raises(NoFaceError, match="no pixel"):
        portrait_box(box(500, 500, 501, 501), 100, 100)


def picture(height=60, width=80, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_crops_at_their_own_size_are_copies():
    frame = picture()
    assert np.array_equal(crop_portrait(frame, (10, 5, 50, 45), 40), frame[5:45, 10:50])
    assert np.array_equal(resize_square(frame[:40, :40], 40), frame[:40, :40])


def test_portraits_are_resized_bicubically_and_poses_bilinearly():
    """At twice the size a cubic overshoots at an edge, and a line does not."""
    frame = np.full((40, 40, 3), 50, np.uint8)
    frame[:, 20:] = 200
    cubic, linear = crop_portrait(frame, (0, 0, 40, 40), 80), resize_square(frame, 80)
    assert cubic.min() < 50
    assert cubic.max() > 200
    assert (linear.min(), linear.max()) == (50, 200)


POINTS = box(30, 20, 50, 20, 40, 30, 32, 40, 48, 40).reshape(5, 2)


def test_the_expression_crop_by_hand():
    """Landmarks 30-50 by 20-40 move 45 % towards the box 10-70 by 0-60: 21-59 by 11-49, centre 40, 30, half 19."""
    frame = picture()
    found = crop_expression(frame, POINTS, box(10, 0, 70, 60), 38)
    assert np.array_equal(found, frame[11:49, 21:59])


def test_the_expression_crop_is_black_where_the_frame_ends():
    frame = picture()
    found = crop_expression(frame, POINTS - [25, 15], box(-15, -15, 45, 45), 38)
    padded = np.pad(frame, ((20, 20), (20, 20), (0, 0)))
    assert np.array_equal(found, padded[16:54, 16:54])  # frame rows and columns -4 to 34
    assert (found[:4] == 0).all()


def test_landmarks_on_one_spot_are_a_typed_row():
    with pytest.raises(NoFaceError, match="span no face"):
        crop_expression(picture(), np.full((5, 2), 20.0), box(20, 20, 20, 20), 38)
    with pytest.raises(NoFaceError, match="span no face"):
        intensity(np.full((3, 5, 2), 20.0))


@pytest.mark.parametrize("side", [5, 40, 43])
def test_pasting_back_ramps_over_a_tenth_of_each_border(side):
    frame, portrait = picture(seed=1), picture(side, side, seed=2)
    found = paste_back(frame, portrait, (10, 5, 10 + side, 5 + side))
    outside = np.ones(frame.shape[:2], bool)
    outside[5 : 5 + side, 10 : 10 + side] = False
    assert np.array_equal(found[outside], frame[outside])
    rise = side // 10
    weight = np.ones(side)
    for row in range(rise):
        weight[row] = weight[side - 1 - row] = row / (rise - 1) if rise > 1 else 0
    for y, x in [(0, 0), (1, side // 2), (side // 2, side // 2), (side - 2, 1), (side - 1, side - 1)]:
        own = weight[y] * weight[x]
        if rise == 1:  # a ramp of one pixel is 0 before, and 1 behind, where the last border was written
            own = {0: 0.0, side - 1: 1.0}.get(y, 1.0) * {0: 0.0, side - 1: 1.0}.get(x, 1.0)
        expected = own * portrait[y, x].astype(float) + (1 - own) * frame[5 + y, 10 + x]
        assert np.abs(found[5 + y, 10 + x] - expected).max() <= 1, (y, x)


def swinging(frames, nose=0.0, mouth=0.0):
    """A face of 30 by 40 (diagonal 50) whose nose, with all else, or mouth corners alone go left and right."""
    face = np.array([[0.0, 0], [30, 0], [15, 20], [0, 40], [30, 40]])
    points = np.repeat(face[None], frames, axis=0)
    sign = np.where(np.arange(frames) % 2, 1.0, -1.0)
    points[:, :, 0] += nose * sign[:, None]
    points[:, 3:, 0] += mouth * sign[:, None]
    return points


def test_buckets_in_closed_form():
    """Even counts swing about their middle: the mean distance is the swing itself. The face's first frame is narrower
    by the mouth's swing, or not at all by the head's."""
    assert vars(intensity(swinging(24))) == {"head": 0, "expression": 0}
    assert vars(intensity(swinging(24, nose=2.0))) == {"head": int(2 / 50 * 256), "expression": 0}
    size = np.hypot(30 + 1.0, 40)  # the left corner goes out in the first frame, the right one in
    assert vars(intensity(swinging(24, mouth=1.0))) == {"head": 0, "expression": int(2 / 5 * 1.0 / size * 1024)}
    assert vars(intensity(swinging(24, nose=1000.0, mouth=500.0))) == {"head": 127, "expression": 127}


def test_buckets_are_per_chunk_of_25_from_the_first_frame():
    points = np.concatenate([swinging(24), swinging(1), swinging(24, nose=2.0), swinging(1, nose=2.0)])
    found = intensities(points)
    assert [own.head for own in found] == [0, intensity(points[25:]).head]
    assert len(intensities(swinging(1))) == 1
    assert [own.head for own in intensities(swinging(51, nose=3.0))][2] == 0  # a chunk of one frame does not move


def test_expression_crops_are_smoothed_where_they_shrink():
    frame = picture(600, 600)
    frame[:] = np.indices((600, 600)).sum(0)[..., None] % 2 * 255  # a chess board of pixels
    found = crop_expression(frame, POINTS * 7, box(70, 0, 490, 420), 64)
    assert np.ptp(found[2:-2, 2:-2].astype(int)) < 40
