"""Head pose against scipy's rotations, a pinhole camera written out, and what a heat map must look like."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from portraitbench.methods.hellomeme.face.pose import (
    FOCAL,
    heat_map,
    project_square,
    rotation_matrix,
    translation_in_frame,
)
from portraitbench.methods.hellomeme.face.windows import Alignment

HEAD = np.array([0.1, -0.2, -2.5])


@pytest.mark.parametrize("angles", [(0.3, -0.2, 0.1), (0, 0, 0), (1.2, 0.4, -2)])
def test_angles_turn_about_x_then_y_then_z(angles):
    assert np.allclose(rotation_matrix(np.array(angles)), Rotation.from_euler("xyz", angles).as_matrix())


def test_the_focal_length_is_the_published_one():
    assert pytest.approx(4828.598903609935) == FOCAL


def pixel(point, width, height):
    """A camera at the origin that looks along -z, x right, y up."""
    x, y, z = point
    return np.array([width / 2 + FOCAL * x / -z, height / 2 - FOCAL * y / -z])


def test_a_head_read_in_a_crop_stands_where_the_crop_shows_it():
    scale, centre, (width, height) = 0.7, np.array([300.0, 210.0]), (640, 480)
    in_crop = np.array([0.03, -0.02, -5.0])
    found = translation_in_frame(in_crop, Alignment(np.zeros((2, 3)), centre, scale), width, height)
    seen_in_crop = pixel(in_crop, 224, 224)
    expected = (seen_in_crop - 112) / scale + centre
    assert np.allclose(pixel(found, width, height), expected, atol=1e-3)
    assert found[2] == pytest.approx(in_crop[2] * scale)


def test_the_squares_corners_are_those_of_a_pinhole_camera():
    angles, side = np.array([0.2, -0.4, 0.3]), 512
    turned = Rotation.from_euler("xyz", angles)
    corners = np.array([[-1, -1, 0], [-1, 1, 0], [1, 1, 0], [1, -1, 0]]) * 0.05
    # The square is near the camera and the focal length is short: both by the same factor of 20.
    place = np.array([HEAD[0], HEAD[1], HEAD[2] * 0.05])
    expected = []
    for corner in corners:
        x, y, z = turned.apply(corner) + place
        expected.append([side / 2 + FOCAL * 0.05 * x / -z, side / 2 - FOCAL * 0.05 * y / -z])
    assert np.allclose(project_square(angles, HEAD, side), expected)


def test_edges_have_their_colours_and_their_width():
    image = heat_map(np.zeros(3), np.array([0, 0, -2.5]), 512)
    corners = project_square(np.zeros(3), np.array([0, 0, -2.5]), 512)
    left, right = corners[:, 0].min(), corners[:, 0].max()
    low, high = corners[:, 1].max(), corners[:, 1].min()
    middle = 256
    assert image[middle, round(left)].tolist() == [0, 255, 0]
    assert image[round(high), middle].tolist() == [0, 0, 255]
    assert image[middle, round(right)].tolist() == [255, 0, 0]
    assert image[round(low), middle].tolist() == [255, 0, 255]
    assert image[middle, middle].tolist() == [0, 0, 0]
    assert 15 <= np.count_nonzero(image[middle, :middle].any(axis=1)) <= 17  # OpenCV rounds outwards


def test_corners_are_cut_off_and_not_rounded():
    angles = np.array([0.2, -0.4, 0.3])
    corners = project_square(angles, HEAD, 512)
    assert (np.round(corners) != np.trunc(corners)).any()
    shifted = heat_map(angles, HEAD, 512)
    import cv2

    expected = np.zeros((512, 512, 3), np.uint8)
    for row, colour in enumerate([(0, 255, 0), (0, 0, 255), (255, 0, 0), (255, 0, 255)]):
        ends = np.trunc(corners[[row, (row + 1) % 4]]).astype(int).tolist()
        cv2.line(expected, ends[0], ends[1], colour, 15)
    assert np.array_equal(shifted, expected)
