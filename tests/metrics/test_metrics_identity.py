"""Identity metrics against SciPy's distances, and what happens without a face."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import distance

from portraitbench.core.errors import NoFaceError, Status
from portraitbench.metrics.identity import cosine_similarity, euclidean_distance
from portraitbench.metrics.resolve import resolve

VECTORS = np.random.default_rng(1).normal(0.2, 1, (6, 512))


def test_cosine_is_scipys():
    expected = [1 - distance.cosine(vector, VECTORS[0]) for vector in VECTORS]
    assert cosine_similarity(VECTORS, VECTORS[0]) == pytest.approx(expected, abs=1e-12)


def test_cosine_ignores_norms_and_distance_does_not():
    assert cosine_similarity(17 * VECTORS, VECTORS[1]) == pytest.approx(cosine_similarity(VECTORS, 3 * VECTORS[1]))
    assert euclidean_distance(2 * VECTORS, VECTORS[0])[0] == pytest.approx(np.linalg.norm(VECTORS[0]))


def test_distance_is_scipys():
    expected = [distance.euclidean(vector, VECTORS[0]) for vector in VECTORS]
    assert euclidean_distance(VECTORS, VECTORS[0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("name", "feature"), [("id_sim", "identity/arcface"), ("id_dlib_l2", "identity/dlib128")])
class TestMetric:
    def test_the_identity_image_itself_is_perfect(self, name, feature, make_view, make_scene):
        image = make_view({feature: VECTORS[:1]})
        scores = resolve(name)(make_scene(make_view({feature: VECTORS[[0, 0]]}), identity=image))
        assert scores.values.tolist() == pytest.approx([1.0 if name == "id_sim" else 0.0] * 2, abs=1e-12)

    def test_each_frame_is_compared_with_the_identity_image(self, name, feature, make_view, make_scene):
        scores = resolve(name)(
            make_scene(make_view({feature: VECTORS[1:]}), identity=make_view({feature: VECTORS[:1]}))
        )
        scipys = distance.cosine if name == "id_sim" else distance.euclidean
        expected = np.array([scipys(vector, VECTORS[0]) for vector in VECTORS[1:]])
        assert scores.values == pytest.approx(1 - expected if name == "id_sim" else expected, abs=1e-12)

    def test_frames_without_a_face_have_no_value(self, name, feature, make_view, make_scene):
        generated = make_view({feature: VECTORS[:3]}, found=[True, False, True])
        scores = resolve(name)(make_scene(generated, identity=make_view({feature: VECTORS[:1]})))
        assert list(scores.status) == [Status.OK, Status.NO_FACE, Status.OK]
        assert np.isnan(scores.values).tolist() == [False, True, False]

    def test_an_output_without_any_face_scores_nothing(self, name, feature, make_view, make_scene):
        # The observer cannot know the width of a feature that it never read: it fills one column of NaN.
        generated = make_view({feature: np.full((2, 1), np.nan)}, found=[False, False])
        scores = resolve(name)(make_scene(generated, identity=make_view({feature: VECTORS[:1]})))
        assert list(scores.status) == [Status.NO_FACE, Status.NO_FACE]

    def test_an_identity_image_without_a_face_fails_the_case(self, name, feature, make_view, make_scene):
        identity = make_view({feature: VECTORS[:1]}, found=[False])
        with pytest.raises(NoFaceError, match="identity image"):
            resolve(name)(make_scene(make_view({feature: VECTORS[:2]}), identity=identity))


def test_a_zero_vector_is_undefined(make_view, make_scene):
    generated = make_view({"identity/arcface": np.zeros((1, 512))})
    scores = resolve("id_sim")(make_scene(generated, identity=make_view({"identity/arcface": VECTORS[:1]})))
    assert list(scores.status) == [Status.UNDEFINED]
