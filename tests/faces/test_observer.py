from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from portraitbench.core.errors import ConfigError, StoreError
from portraitbench.datasets.clip import Clip
from portraitbench.faces.base import BackendInfo, Face
from portraitbench.faces.cache import FeatureCache
from portraitbench.faces.observer import Observer

BOXES, READER = (BackendInfo(name, "1", "none", "none") for name in ("boxes", "reader"))


def clip_of(*rows: tuple[int, int]) -> Clip:
    """Frames of which each says, in its first pixels, how many faces it has and which number it goes by."""
    frames = np.zeros((len(rows), 8, 8, 3), np.uint8)
    for frame, (count, number) in zip(frames, rows, strict=True):
        frame[0, 0, 0], frame[0, 1, 0] = count, number
    return Clip(frames)


@dataclass
class Detector:
    """Faces of growing size, the last the largest."""

    info: BackendInfo = BOXES
    shift: float = 0.0
    shown: list = field(default_factory=list)

    def detect(self, frames):
        self.shown += [frame[0, 1, 0] for frame in frames]
        box = np.array([self.shift, 0.0, 4, 4])
        return [[Face(box * (i + 1), 0.5 + i / 10) for i in range(frame[0, 0, 0])] for frame in frames]


@dataclass
class Reader:
    """Landmarks that all equal the frame's number, and an identity made of number and box; remembers its faces."""

    info: BackendInfo = READER
    space: str = "toy"
    faces: list = field(default_factory=list)

    def landmarks(self, frames, faces):
        return np.stack([np.full((68, 2), frame[0, 1, 0], float) for frame in frames])

    def embed(self, frames, faces):
        self.faces += faces
        return np.stack([[frame[0, 1, 0], *face.box] for frame, face in zip(frames, faces, strict=True)])


class Emotions:
    info = BackendInfo("emotions", "1", "none", "none")

    def emotion(self, frames, faces):
        return np.stack([[frame[0, 1, 0] / 100, -1.0] for frame in frames])


def test_every_distinct_frame_is_shown_once():
    detector, reader = Detector(), Reader()
    observer = Observer([detector, reader])
    clip = clip_of((1, 7), (1, 8), (1, 7), (0, 9), (1, 7))
    first = observer.observe(clip)
    assert detector.shown == [7, 8, 9]
    assert observer.calls == {"boxes.detect": 3, "reader.landmarks": 2, "reader.identity/toy": 2}
    second = observer.observe(clip)
    assert observer.calls.total() == 7
    np.testing.assert_array_equal(first.landmarks, second.landmarks)
    assert list(first.landmarks[:, 0, 0]) == pytest.approx([7, 8, 7, np.nan, 7], nan_ok=True)


def test_frames_without_a_face_are_nan_and_several_faces_are_counted():
    seen = Observer([Detector(), Reader(), Emotions()]).observe(clip_of((1, 1), (0, 2), (3, 3)))
    assert list(seen.counts) == [1, 0, 3]
    assert list(seen.found) == [True, False, True]
    assert (seen.height, seen.width) == (8, 8)
    for name, shape in {"landmarks": (3, 68, 2), "identity/toy": (3, 5), "emotion": (3, 2)}.items():
        assert seen.features[name].shape == shape
        assert np.isnan(seen.features[name][1]).all()
        assert np.isfinite(seen.features[name][[0, 2]]).all()
    # In the third frame the face that overlaps the first frame's counts, not the largest of the three.
    np.testing.assert_array_equal(seen.boxes[[0, 2]], [[0, 0, 4, 4], [0, 0, 4, 4]])


def test_the_track_decides_between_faces():
    seen = Observer([Detector()]).observe(clip_of((2, 1), (3, 2)), features=[])
    # First the largest of two, then the one that overlaps it most, which is not the largest of three.
    np.testing.assert_array_equal(seen.boxes, [[0, 0, 8, 8], [0, 0, 8, 8]])


def test_a_clip_without_any_face_keeps_the_shapes():
    seen = Observer([Detector(), Reader(), Emotions()]).observe(clip_of((0, 1), (0, 2)))
    assert seen.landmarks.shape == (2, 68, 2)
    assert seen.features["emotion"].shape == (2, 2)
    assert seen.features["identity/toy"].shape[0] == 2
    assert seen.boxes.shape == (2, 4)
    assert all(np.isnan(values).all() for values in seen.features.values())


def test_readers_are_given_the_landmarks():
    reader = Reader()
    Observer([Detector(), reader]).observe(clip_of((1, 5)), features=["identity/toy"])
    assert reader.faces[0].landmarks[3, 1] == 5


def test_only_wanted_features_are_computed():
    observer = Observer([Detector(), Reader(), Emotions()])
    assert observer.provides == {"landmarks", "identity/toy", "emotion"}
    seen = observer.observe(clip_of((1, 5)), features=["emotion"])
    assert set(seen.features) == {"emotion"}
    assert "reader.identity/toy" not in observer.calls
    with pytest.raises(KeyError):
        observer.observe(clip_of((1, 5)), features=["coefficients/none"])


def test_the_cache_is_shared_between_observers_and_processes(tmp_path):
    clip = clip_of((1, 1), (0, 2), (2, 3))
    path = tmp_path / "features.sqlite"
    first = Observer([Detector(), Reader()], FeatureCache(path)).observe(clip)
    observer = Observer([Detector(), Reader()], FeatureCache(path))
    second = observer.observe(clip)
    assert not observer.calls
    np.testing.assert_array_equal(first.counts, second.counts)
    for name, values in first.features.items():
        np.testing.assert_array_equal(values, second.features[name])


@pytest.mark.parametrize(
    "change",
    [{"version": "2"}, {"weights": "ab"}, {"device": "cuda"}, {"options": {"size": 3}}, {"name": "other"}],
    ids=str,
)
def test_a_backend_that_changed_looks_again(change):
    cache, clip = FeatureCache(), clip_of((1, 1))
    fields = {"name": "reader", "version": "1", "weights": "none", "licence": "none"}
    Observer([Detector(), Reader()], cache).observe(clip)
    same = Observer([Detector(), Reader(BackendInfo(**(fields | {"licence": "other"})))], cache)
    same.observe(clip)
    assert not same.calls
    changed = Observer([Detector(), Reader(BackendInfo(**(fields | change)))], cache)
    changed.observe(clip)
    assert changed.calls.total() == 2
    assert changed.key_for(["landmarks"]) != same.key_for(["landmarks"])


def test_features_of_another_box_are_not_mixed_up():
    cache, clip = FeatureCache(), clip_of((1, 1))
    Observer([Detector(), Reader()], cache).observe(clip)
    shifted = Observer([Detector(BackendInfo("boxes", "2", "none", "none"), shift=1.0), Reader()], cache)
    seen = shifted.observe(clip, ["identity/toy"])
    np.testing.assert_array_equal(seen.features["identity/toy"], [[1, 1, 0, 4, 4]])


def test_the_first_backend_of_a_kind_counts():
    mine, other = Reader(), Reader(BackendInfo("second", "1", "none", "none"))
    observer = Observer([mine, Detector(), other])
    assert observer.backend_for("landmarks") is mine
    assert observer.key_for(["landmarks"]) == Observer([Detector(), mine]).key_for(["landmarks"])


def test_without_a_detector_there_is_nothing_to_see():
    with pytest.raises(ConfigError, match=r"\[emotions\] detects faces"):
        Observer([Emotions()])


def test_a_damaged_cache_is_an_error_not_a_wrong_number(tmp_path):
    path = tmp_path / "features.sqlite"
    path.write_bytes(b"junk" * 100)
    with pytest.raises(StoreError, match="feature cache"):
        Observer([Detector()], FeatureCache(path)).observe(clip_of((1, 1)))
