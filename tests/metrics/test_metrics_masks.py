"""Masks against closed forms and SciPy's triangulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from portraitbench.metrics.masks import MaskKind, face_mask, fraction


def test_box_is_the_bounding_box_with_half_its_height_above():
    points = np.array([[20.0, 40.0], [49.0, 60.0], [30.0, 79.0]])
    mask = face_mask(points, 100, 80)
    rows, columns = np.nonzero(mask)
    # 40 - 39 / 2 = 20.5: the first pixel centre inside is 21.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (21, 79, 20, 49)
    assert mask.sum() == 59 * 30
    assert fraction(mask) == 59 * 30 / 8000


@pytest.mark.parametrize("seed", range(4))
def test_hull_is_what_a_triangulation_covers(seed):
    points = np.random.default_rng(seed).uniform(-10, 70, (68, 2))
    columns, rows = np.meshgrid(np.arange(48), np.arange(64))
    expected = Delaunay(points).find_simplex(np.stack([columns, rows], axis=-1)) >= 0
    assert np.array_equal(face_mask(points, 64, 48, MaskKind.HULL), expected)
    assert expected.any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(-60, 60), spread=st.floats(1, 120))
def test_the_hull_lies_in_the_box(seed, low, spread):
    points = np.random.default_rng(seed).uniform(low, low + spread, (68, 2))
    hull, box = face_mask(points, 40, 50, MaskKind.HULL), face_mask(points, 40, 50, MaskKind.BOX)
    assert not (hull & ~box).any()


@pytest.mark.parametrize("kind", MaskKind)
def test_a_face_beyond_the_border_is_cut_and_not_moved(kind):
    points = np.random.default_rng(0).uniform(0, 30, (68, 2))
    whole = np.pad(face_mask(points, 60, 60, kind), ((40, 0), (40, 0)))
    shifted = face_mask(points - 15, 60, 60, kind)
    # Pixel (0, 0) of the shifted picture is (15, 15) of the first.
    assert np.array_equal(shifted[:45, :45], whole[55:, 55:])
    assert not face_mask(points + 200, 60, 60, kind).any()


def test_points_on_one_line_have_no_hull():
    line = np.stack([np.arange(68.0), np.arange(68.0)], axis=1)
    assert not face_mask(line, 80, 80, MaskKind.HULL).any()
