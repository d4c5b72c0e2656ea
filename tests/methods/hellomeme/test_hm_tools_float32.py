"""Points are float32 from the network to the clip's window, as upstream's are: where rounding decides it shows."""

from __future__ import annotations

import hm_faces
import hm_filling
import numpy as np
import pytest
from hm_faces_golden import moved_windows

from portraitbench.methods.hellomeme.face import tracking
from portraitbench.methods.hellomeme.face.landmarks import LandmarkReader
from portraitbench.methods.hellomeme.face.smoothing import Smoother


def test_windows_around_faces_that_fill_the_frame_are_upstreams_to_the_pixel():
    assert moved_windows() == 0


class DoubleReadings(hm_filling.FillingFace):
    def __init__(self, seed):
        super().__init__(seed)
        self.points = self.points.astype(np.float64)


class DoubleInside(Smoother):
    """Computes in float64 and rounds the answer only."""

    def __call__(self, points, face_size):
        return super().__call__(points.astype(np.float64), float(face_size)).astype(np.float32)


def double_window(points, width, height, window=hm_filling.clip_window):
    return window(points.astype(np.float64), width, height)


def double_track(box, face_size):
    return tracking.Track(box, face_size, smoother=DoubleInside())


@pytest.mark.parametrize(
    ("owner", "name", "planted"),
    [
        (hm_filling, "FillingFace", DoubleReadings),
        (hm_filling, "clip_window", double_window),
        (tracking, "_begin", lambda box: double_track(box, 1.0)),
    ],
    ids=["readings", "window", "smoothing"],
)
def test_float64_moves_some_windows(monkeypatch, owner, name, planted):
    monkeypatch.setattr(owner, name, planted)
    assert moved_windows() > 0


@pytest.mark.parametrize("way", ["in_box", "near"])
def test_the_reader_keeps_the_networks_float32(way):
    answers = [hm_faces.face_layout().T.ravel(), [0.2, -0.3], [0.9]]
    reader = LandmarkReader(lambda image: [np.float32([answer]) for answer in answers])
    start = np.array([100.0, 90, 300, 310]) if way == "in_box" else np.float32(hm_faces.face_layout() * 200 + 100)
    reading = getattr(reader, way)(np.zeros((400, 400, 3), np.uint8), start)
    kept = reading.points, reading.pitch, reading.yaw, reading.score
    assert [value.dtype for value in kept] == [np.float32] * 4
