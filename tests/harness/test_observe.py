"""What a look at a clip records of the face besides features: where its parts are."""

from __future__ import annotations

import numpy as np

from portraitbench.faces.base import Observation
from portraitbench.harness.stages.observe import face_windows


def seen(points, counts, width=200, height=100):
    boxes = np.zeros((len(counts), 4))
    return Observation(height, width, np.array(counts), boxes, {"landmarks": points} if points is not None else {})


def test_parts_are_where_their_points_are_over_all_frames_with_a_face():
    points = np.full((3, 68, 2), np.nan)
    for row, shift in ((0, 0.0), (2, 10.0)):
        points[row] = (100.0 + shift, 50.0)
        points[row, 17] = (40.0 + shift, 20.0)  # outer brow
        points[row, 41] = (60.0, 30.0 + shift)  # lower lid
        points[row, 57] = (90.0, 80.0 + shift)  # lower lip
    found = face_windows(seen(points, [1, 0, 1]))
    assert found == {"upper face": [0.2, 0.2, 0.55, 0.5], "lower face": [0.45, 0.5, 0.55, 0.9]}


def test_without_a_face_or_landmarks_there_is_nothing():
    assert face_windows(seen(np.full((1, 68, 2), np.nan), [0])) == {}
    assert face_windows(seen(None, [1])) == {}
