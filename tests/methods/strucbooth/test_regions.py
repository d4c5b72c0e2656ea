"""Region boxes: which points, how grown, how snapped, how carried over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.methods.strucbooth.regions import REGIONS, Box, BoxKind, Cells, Growth, carry, region_boxes, snap

edges = st.floats(-40, 100)


def face():
    """68 scattered points, so that no two regions share a border."""
    return np.random.default_rng(0).uniform(100, 400, (68, 2))


@pytest.mark.parametrize(
    ("region", "first", "last"),
    [("right_brow", 18, 22), ("left_brow", 23, 27), ("nose", 28, 36), ("right_eye", 37, 42), ("left_eye", 43, 48)],
)
def test_tight_boxes_hold_the_points_of_the_ibug_scheme(region, first, last):
    # The scheme counts from one.
    points = face()[first - 1 : last] + 0.5
    box = region_boxes(face(), BoxKind.TIGHT, Growth(0.0, 5, 25), 512)[region]
    np.testing.assert_allclose([box.left, box.top], points.min(0) - 5)
    np.testing.assert_allclose([box.right, box.bottom], points.max(0) + 5)


@pytest.mark.parametrize(("length", "size", "margin"), [(10, 512, 5), (60, 512, 12), (400, 512, 25), (10, 64, 2)])
def test_growth_follows_the_region_between_two_limits_that_follow_the_frame(length, size, margin):
    points = face()
    points[48:68] = np.stack([np.linspace(50, 50 + length, 20), np.full(20, 80.0)], 1)
    box = region_boxes(points, BoxKind.TIGHT, Growth(0.2, 5, 25), size)["mouth"]
    assert box.left == pytest.approx(50.5 - margin)
    assert box.height == pytest.approx(2 * margin)


def test_anchored_boxes_do_not_follow_the_mouth_the_lids_or_the_brows():
    calm, lively = face(), face()
    lively[48:68] += 30
    lively[17:27] -= 20
    lively[[37, 38, 40, 41, 43, 44, 46, 47]] += 9
    boxes = [region_boxes(points, BoxKind.ANCHORED, Growth(), 512) for points in (calm, lively)]
    assert boxes[0] == boxes[1]
    assert set(boxes[0]) == set(REGIONS)


def test_anchored_boxes_scale_and_move_with_the_face():
    # Pixel centres lie at integers, so positions scale about the corner of the frame, at -0.5.
    small, large = face(), 2 * (face() + 0.5) - 0.5 + 7
    for name, box in region_boxes(small, BoxKind.ANCHORED, Growth(), 512).items():
        twice = region_boxes(large, BoxKind.ANCHORED, Growth(), 512)[name]
        np.testing.assert_allclose(
            [twice.left, twice.top, twice.right, twice.bottom],
            2 * np.array([box.left, box.top, box.right, box.bottom]) + 7,
        )


@settings(max_examples=200, deadline=None)
@given(a=edges, b=edges, c=edges, d=edges, stride=st.sampled_from([1, 4, 8]))
def test_snapping_covers_every_pixel_of_the_box_inside_the_frame_and_no_needless_cell(a, b, c, d, stride):
    box = Box(min(a, b), min(c, d), max(a, b) + 0.1, max(c, d) + 0.1)
    height, width = 48 // stride, 64 // stride
    covered = np.zeros((height, width), bool)
    cells = snap(box, stride, height, width)
    if cells is not None:
        covered[cells.top : cells.bottom, cells.left : cells.right] = True
    for row in range(height):
        for column in range(width):
            down = box.top < (row + 1) * stride and box.bottom > row * stride
            across = box.left < (column + 1) * stride and box.right > column * stride
            assert covered[row, column] == (down and across)


@settings(max_examples=200, deadline=None)
@given(a=edges, b=edges, c=edges, d=edges, multiple=st.integers(1, 9))
def test_sides_are_grown_to_a_multiple_around_the_box_and_within_the_frame(a, b, c, d, multiple):
    box = Box(min(a, b), min(c, d), max(a, b) + 0.1, max(c, d) + 0.1)
    height, width = 6, 8
    plain, grown = snap(box, 8, height, width), snap(box, 8, height, width, multiple)
    assert (plain is None) == (grown is None)
    if plain is None or grown is None:
        return
    assert 0 <= grown.left <= plain.left < plain.right <= grown.right <= width
    assert 0 <= grown.top <= plain.top < plain.bottom <= grown.bottom <= height
    for before, after, limit in (
        (plain.right - plain.left, grown.right - grown.left, width),
        (plain.bottom - plain.top, grown.bottom - grown.top, height),
    ):
        assert after == limit if before + multiple > limit and after % multiple else after % multiple == 0
        assert after - before < multiple


def test_growth_lies_on_both_sides_where_the_frame_has_room():
    assert snap(Box(3, 3, 5, 4), 1, 10, 10, 4) == Cells(2, 2, 6, 6)
    assert snap(Box(0, 9, 2, 10), 1, 10, 10, 4) == Cells(0, 6, 4, 10)


def test_carrying_keeps_what_is_seen_in_proportion():
    grown, other = Box(10, 20, 30, 28), Box(100, 50, 140, 82)
    snapped = Cells(1, 2, 4, 4).pixels(8)
    assert snapped == Box(8, 16, 32, 32)
    carried = carry(grown, snapped, other)

    def place(inner, outer):
        return [(inner.left - outer.left) / outer.width, (inner.top - outer.top) / outer.height]

    np.testing.assert_allclose(place(grown, snapped), place(other, carried))
    assert carried.width / other.width == pytest.approx(snapped.width / grown.width)
    assert carried.height / other.height == pytest.approx(snapped.height / grown.height)
