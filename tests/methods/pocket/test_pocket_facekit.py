from __future__ import annotations

import numpy as np
import pytest

from portraitbench.core.errors import AssetError
from portraitbench.methods.pocket.training.facekit import EYE, MOUTH, TEETH, load_facekit


def test_a_missing_face_model_says_where_it_comes_from(tmp_path):
    with pytest.raises(AssetError, match="ICT-FaceKit"):
        load_facekit(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip at all", b"PK\x03\x04broken"])
def test_a_damaged_face_model_is_refused(tmp_path, content):
    path = tmp_path / "kit.npz"
    path.write_bytes(content)
    with pytest.raises(AssetError, match="not an ict_facekit"):
        load_facekit(path)


def test_an_archive_with_other_arrays_is_refused(tmp_path):
    path = tmp_path / "kit.npz"
    np.savez(path, neutral=np.zeros((5, 3)))
    with pytest.raises(AssetError, match="not an ict_facekit"):
        load_facekit(path)


def test_pickled_arrays_are_refused(tmp_path):
    path = tmp_path / "kit.npz"
    np.savez(path, neutral=np.array([{"a": 1}], dtype=object))
    with pytest.raises(AssetError):
        load_facekit(path)


def test_reduction_keeps_landmarks_and_triangles_of_the_file(kit, shared):
    with np.load(shared / "facekit" / "ict_facekit.npz") as file:
        neutral, marks = file["neutral"], file["landmarks68"]
        smile = file["expression"][list(file["expression_names"]).index("mouthSmile_L")]
    assert np.array_equal(kit.neutral[kit.landmarks], neutral[marks])
    assert np.array_equal(kit.expression[kit.index["mouthSmile_L"]][kit.landmarks], smile[marks].astype(np.float32))
    assert kit.triangles.max() == len(kit.neutral) - 1
    assert len(np.unique(kit.triangles)) <= len(kit.neutral) < len(neutral)
    assert {EYE, MOUTH, TEETH} <= set(kit.paint.tolist())


def test_the_mouths_lining_lies_behind_the_lips(kit):
    inner = kit.neutral[kit.triangles[kit.paint == MOUTH]].mean(axis=1)
    lips = kit.neutral[kit.landmarks[48:60]]
    assert inner[:, 2].max() < lips[:, 2].max()
    assert np.abs(inner[:, 0]).max() < 4.5


def test_weights_take_names_and_refuse_unknown_ones(kit):
    weights = kit.weights(jawOpen=0.5)
    assert weights.sum() == 0.5
    assert weights[kit.names.index("jawOpen")] == 0.5
    with pytest.raises(KeyError):
        kit.weights(jawopen=0.5)
