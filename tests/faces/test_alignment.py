from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.transform import SimilarityTransform, warp

from portraitbench.faces.alignment import (
    ARCFACE_TEMPLATE,
    apply,
    arcface_matrix,
    five_points,
    umeyama,
    warp_face,
)
from portraitbench.faces.base import Face
from portraitbench.faces.networks.arcface import crop_faces

POINTS = np.array([[30.0, 40], [62, 37], [47, 55], [33, 71], [60, 70]])
coordinate = st.floats(-1000, 1000, allow_nan=False, width=32)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 20).flatmap(lambda k: st.tuples(*[arrays(np.float64, (k, 2), elements=coordinate)] * 2)))
def test_umeyama_equals_skimage(pair):
    source, target = pair
    assume(min(np.ptp(source, axis=0).max(), np.ptp(target, axis=0).max()) > 1)
    correlation = np.linalg.svd((target - target.mean(0)).T @ (source - source.mean(0)), compute_uv=False)
    assume(correlation[0] - correlation[1] > 1e-3 * correlation[0])  # Else the best rotation is not unique.
    expected = SimilarityTransform.from_estimate(source, target).params
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(umeyama(source, target), expected, atol=1e-9 * scale, rtol=1e-9)


@given(st.floats(0.1, 10), st.floats(-np.pi, np.pi), coordinate, coordinate)
def test_umeyama_recovers_a_known_similarity(scale, angle, dx, dy):
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    truth = np.array([[cos, -sin, dx], [sin, cos, dy], [0, 0, 1]])
    found = umeyama(POINTS, apply(truth, POINTS))
    np.testing.assert_allclose(found, truth, atol=1e-9 * max(1, abs(dx), abs(dy)))


def test_umeyama_never_mirrors():
    mirrored = POINTS * [-1, 1]
    matrix = umeyama(POINTS, mirrored)
    assert np.linalg.det(matrix) > 0
    np.testing.assert_allclose(matrix, SimilarityTransform.from_estimate(POINTS, mirrored).params, atol=1e-9)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (POINTS, POINTS[:4]),
        (POINTS[:1], POINTS[:1]),
        (POINTS.ravel(), POINTS.ravel()),
        (np.full((5, 2), 3.3), POINTS),
        (np.where(np.eye(5, 2), np.nan, POINTS), POINTS),
    ],
    ids=["lengths", "one point", "flat", "coincident", "nan"],
)
def test_umeyama_refuses_unusable_points(source, target):
    with pytest.raises(ValueError, match="points"):
        umeyama(source, target)


@pytest.fixture(scope="module")
def frame():
    return np.random.default_rng(1).integers(0, 256, (90, 70, 3), dtype=np.uint8)


@pytest.mark.parametrize("shift", [0, -40, 60, 5000])
def test_warp_equals_skimage_on_a_black_border(frame, shift):
    matrix = arcface_matrix(POINTS + shift)
    border = np.eye(3)
    border[:2, 2] = 2
    padded = np.pad(frame.astype(np.float64), ((2, 2), (2, 2), (0, 0)))
    expected = warp(padded, border @ np.linalg.inv(matrix), output_shape=(112, 112), order=1, preserve_range=True)
    np.testing.assert_allclose(warp_face(frame, matrix), expected, atol=1e-8)


@pytest.mark.filterwarnings("ignore:.estimate. is deprecated")
def test_crop_is_that_of_insightface_up_to_its_fixed_point_arithmetic():
    face_align = pytest.importorskip("insightface.utils.face_align")
    rows, columns = np.mgrid[0:90, 0:70]
    smooth = np.stack([127 + 100 * np.sin(rows / 9), columns * 3, rows + columns], axis=-1).astype(np.uint8)
    expected = face_align.norm_crop(smooth, POINTS.astype(np.float32)).astype(np.float64)
    found = warp_face(smooth, arcface_matrix(POINTS))
    assert np.abs(found - expected).mean() < 0.5
    np.testing.assert_array_equal(face_align.arcface_dst, ARCFACE_TEMPLATE.astype(np.float32))


def test_a_singular_matrix_is_refused(frame):
    with pytest.raises(ValueError, match="inverted"):
        warp_face(frame, np.diag([0.0, 1.0, 1.0]))


def test_torch_crop_equals_the_numpy_crop(frame):
    matrices = [arcface_matrix(POINTS), arcface_matrix(POINTS * 1.7 - 30)]
    frames = torch.from_numpy(np.stack([frame, frame[::-1].copy()])).permute(0, 3, 1, 2).double()
    crops = crop_faces(frames, matrices).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(crops[0], warp_face(frame, matrices[0]), atol=1e-10)
    np.testing.assert_allclose(crops[1], warp_face(frame[::-1], matrices[1]), atol=1e-10)


def test_torch_crop_has_the_right_gradient():
    frames = torch.rand(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    matrix = np.array([[1.3, -0.4, -1.0], [0.4, 1.3, 0.5], [0, 0, 1]])
    assert torch.autograd.gradcheck(lambda x: crop_faces(x, [matrix], size=5), (frames,))


def test_five_points_come_from_the_detector_or_the_landmarks():
    box = np.array([0.0, 0, 9, 9])
    landmarks = np.random.default_rng(0).normal(size=(68, 2))
    derived = five_points(Face(box, 1.0, landmarks=landmarks))
    np.testing.assert_allclose(derived[0], np.mean([landmarks[i] for i in (36, 37, 38, 39, 40, 41)], axis=0))
    np.testing.assert_allclose(derived[1], np.mean([landmarks[i] for i in (42, 43, 44, 45, 46, 47)], axis=0))
    np.testing.assert_array_equal(derived[2:], landmarks[[30, 48, 54]])
    assert five_points(Face(box, 1.0, points=POINTS, landmarks=landmarks)) is POINTS
    with pytest.raises(ValueError, match="neither"):
        five_points(Face(box, 1.0))
