"""Landmark metrics against SciPy's and scikit-image's own alignments, loops, and the invariance they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes
from skimage.transform import SimilarityTransform

from portraitbench.core.errors import CaseError, MediaError, Status
from portraitbench.metrics.expression import (
    aed_lmk_iod,
    akd_l1,
    aligned_distance,
    inter_ocular_distance,
    resized_points,
)
from portraitbench.metrics.resolve import resolve

ALIGNED = ["aed_lmk_px512", "aed_lmk_iod"]


def moved(points, angle, scale, shift):
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ rotation.T + shift


@pytest.mark.filterwarnings("ignore:.*estimate.*:FutureWarning")
def test_alignment_is_scikit_images(landmarks):
    generated = moved(landmarks[:1], 0.3, 1.7, [40, -9]) + np.random.default_rng(2).normal(0, 6, (1, 68, 2))
    transform = SimilarityTransform.from_estimate(generated[0], landmarks[1])
    expected = np.linalg.norm(transform(generated[0]) - landmarks[1], axis=1).mean()
    assert aligned_distance(generated, landmarks[1:2])[0] == pytest.approx(expected, abs=1e-9)


def test_alignment_is_scipys_procrustes(landmarks):
    generated = moved(landmarks[0], -0.2, 0.8, [3, 70])
    reference, fitted, _ = procrustes(landmarks[1], generated)  # both brought to norm 1
    norm = np.linalg.norm(landmarks[1] - landmarks[1].mean(axis=0))
    expected = norm * np.linalg.norm(reference - fitted, axis=1).mean()
    assert aligned_distance(generated[None], landmarks[1:2])[0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    seed=st.integers(0, 1000),
)
def test_a_similarity_of_the_generated_face_changes_nothing(angle, scale, shift, seed):
    generated, reference = np.random.default_rng(seed).uniform(0, 512, (2, 1, 68, 2))
    before = aligned_distance(generated, reference)
    assert aligned_distance(moved(generated, angle, scale, shift), reference) == pytest.approx(before, abs=1e-7)


def test_a_mirrored_face_is_not_the_same_face(landmarks):
    assert aligned_distance(landmarks * [-1, 1], landmarks).min() > 5


def test_inter_ocular_distance_uses_the_outer_corners():
    points = np.zeros((1, 68, 2))
    points[0, 36], points[0, 45] = (10, 20), (13, 24)
    assert inter_ocular_distance(points)[0] == 5


def test_akd_is_a_plain_loop(landmarks):
    a, b = landmarks[0], landmarks[1]
    total = sum(abs(a[point, axis] - b[point, axis]) for point in range(68) for axis in range(2))
    assert akd_l1(a[None], b[None])[0] == pytest.approx(total / 136, abs=1e-12)


def test_akd_sees_what_alignment_takes_out(landmarks):
    assert akd_l1(landmarks + np.array([6, 0]), landmarks) == pytest.approx([3.0] * 5)


def test_points_move_as_a_resize_moves_pixels():
    # Halving 4x8 to 2x2 pixels: the new pixel (0, 0) covers x in [0, 3], y in [0, 1] of the old.
    assert resized_points(np.array([1.5, 0.5]), height=4, width=8, side=2).tolist() == [0, 0]


@pytest.mark.parametrize("name", [*ALIGNED, "akd_l1_px256"])
class TestAgainstTheDriver:
    def test_copying_the_driver_scores_zero(self, name, landmarks, make_view, make_scene):
        clip = make_view({"landmarks": landmarks})
        assert resolve(name)(make_scene(clip, driving=clip)).values.max() < 1e-9

    def test_unequal_lengths_are_refused(self, name, landmarks, make_view, make_scene):
        short = make_view({"landmarks": landmarks[:4]})
        with pytest.raises(MediaError, match="4 frames, the driving clip 5"):
            resolve(name)(make_scene(short, driving=make_view({"landmarks": landmarks})))

    def test_a_face_missing_on_either_side_is_a_row_without_value(self, name, landmarks, make_view, make_scene):
        generated = make_view({"landmarks": landmarks}, found=[True, False, True, True, True])
        driving = make_view({"landmarks": landmarks + 1}, found=[True, True, False, True, True])
        scores = resolve(name)(make_scene(generated, driving=driving))
        assert [status == Status.NO_FACE for status in scores.status] == [False, True, True, False, False]
        assert np.isnan(scores.values).tolist() == [False, True, True, False, False]

    def test_no_face_anywhere(self, name, landmarks, make_view, make_scene):
        nothing = make_view({"landmarks": np.full((5, 1), np.nan)}, found=[False] * 5)
        scores = resolve(name)(make_scene(nothing, driving=make_view({"landmarks": landmarks})))
        assert set(scores.status) == {Status.NO_FACE}

    def test_the_frame_sizes_do_not_matter(self, name, landmarks, make_view, make_scene):
        other = landmarks[::-1]
        same = make_scene(make_view({"landmarks": other}), driving=make_view({"landmarks": landmarks}))
        double = make_scene(
            make_view({"landmarks": 2 * other + 0.5}, size=(1024, 1024)),
            driving=make_view({"landmarks": landmarks / 2 - 0.25}, size=(256, 256)),
        )
        metric = resolve(name)
        assert metric(double).values == pytest.approx(metric(same).values, abs=1e-9)


def test_units(landmarks, make_view, make_scene):
    generated = landmarks + np.random.default_rng(3).normal(0, 5, landmarks.shape)
    # The longer side of the driver's frame is 256: its pixels count double at 512, and equally at 256.
    scene = make_scene(
        make_view({"landmarks": generated}, size=(256, 256)),
        driving=make_view({"landmarks": landmarks}, size=(128, 256)),
    )
    raw = aligned_distance(generated, landmarks)
    assert resolve("aed_lmk_px512")(scene).values == pytest.approx(2 * raw)
    eyes = np.linalg.norm(landmarks[:, 36] - landmarks[:, 45], axis=1)
    assert resolve("aed_lmk_iod")(scene).values == pytest.approx(100 * raw / eyes)
    stretched = np.abs(generated - (landmarks * [1, 2] + [0, 0.5])).mean(axis=(1, 2))
    assert resolve("akd_l1_px256")(scene).values == pytest.approx(stretched)


def test_points_in_one_place_are_undefined(landmarks, make_view, make_scene):
    collapsed = landmarks.copy()
    collapsed[0] = 100.0
    for generated, driving in [(collapsed, landmarks), (landmarks, collapsed)]:
        scene = make_scene(make_view({"landmarks": generated}), driving=make_view({"landmarks": driving}))
        for name in ALIGNED:
            assert list(resolve(name)(scene).status) == [Status.UNDEFINED] + [Status.OK] * 4
    assert np.isnan(aed_lmk_iod(landmarks[:1], np.full((1, 68, 2), 4.0)))


def test_the_target_variant_reads_the_target_only(landmarks, make_view, make_scene):
    generated, target = make_view({"landmarks": landmarks[::-1]}), make_view({"landmarks": landmarks})
    metric = resolve("aed_lmk_target_px512")
    expected = aligned_distance(landmarks[::-1], landmarks)
    assert metric(make_scene(generated, target=target)).values == pytest.approx(expected)
    with pytest.raises(CaseError, match="no target"):
        metric(make_scene(generated))


@pytest.mark.parametrize(("name", "order"), [("aed_coeff_l1", 1), ("aed_coeff_l2", 2)])
def test_coefficient_metrics(name, order, make_view, make_scene):
    generated, driving = np.random.default_rng(4).normal(size=(2, 3, 50))
    feature = "coefficients/smirk"
    scene = make_scene(
        make_view({feature: generated}, found=[True, True, False]), driving=make_view({feature: driving})
    )
    metric = resolve(f"{name}[smirk]")
    expected = np.linalg.norm(generated - driving, ord=order, axis=1) / (50 if order == 1 else 1)
    scores = metric(scene)
    assert scores.values[:2] == pytest.approx(expected[:2])
    assert scores.status[2] is Status.NO_FACE
    assert metric.spec.id == f"{name}[smirk]/1"
    assert metric.spec.needs == (feature,)
    assert "smirk" in metric.spec.definition
    assert "MODEL" not in metric.spec.definition
