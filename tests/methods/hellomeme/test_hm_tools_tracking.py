"""Following faces with a detector and a reader that answer as told."""

from __future__ import annotations

import hm_faces
import numpy as np
import pytest

from portraitbench.core.errors import NoFaceError
from portraitbench.methods.hellomeme.face.landmarks import Reading
from portraitbench.methods.hellomeme.face.tracking import Track, Tracker, follow_largest, without_overlaps

LAYOUT = hm_faces.face_layout()


class World:
    """Frames are numbers; each has faces (centre, size). The detector sees them, the reader reads the nearest one."""

    def __init__(self, faces, detected=None):
        self.faces = faces
        self.detected = detected or faces
        self.looked, self.started = [], []

    def detect(self, frame):
        self.looked.append(int(frame))
        boxes = [np.array([x - s / 2, y - s / 2, x + s / 2, y + s / 2]) for x, y, s in self.detected[int(frame)]]
        return np.stack(boxes) if boxes else np.empty((0, 4))

    def in_box(self, frame, box):
        self.started.append((int(frame), box.tolist()))
        return self._read(frame, (box[:2] + box[2:]) / 2)

    def near(self, frame, points):
        return self._read(frame, (points.min(axis=0) + points.max(axis=0)) / 2)

    def _read(self, frame, centre):
        near = [face for face in self.faces[int(frame)] if np.hypot(*(centre - face[:2])) < 120]
        if not near:
            return Reading(LAYOUT * 200, 0.0, 0.0, 0.0, 0.0)
        x, y, size = min(near, key=lambda face: np.hypot(*(centre - face[:2])))
        return Reading((LAYOUT - 0.5) / 0.85 * size + [x, y], 0.0, 0.0, 0.9, 0.0)


def follow(faces, detected=None):
    world = World(faces, detected)
    return follow_largest(range(len(faces)), world.detect, world, "the clip"), world


def test_the_largest_face_is_followed():
    found, _ = follow([[(200, 200, 150), (500, 200, 220)]] * 3)
    assert found.found == (0, 1, 2)
    assert found.points[:, :, 0].min() > 380


def test_frames_without_a_face_are_named_and_nothing_gets_shorter():
    found, _ = follow([[], [(200, 200, 150)], [], [(205, 200, 150)], []])
    assert found.found == (1, 3)
    assert found.held == (0, 2, 4)
    assert found.rows == [0, 0, 0, 1, 1]
    assert found.count == 5


def test_no_face_at_all_is_a_typed_failure():
    with pytest.raises(NoFaceError, match="the clip shows no face of 96 pixels"):
        follow([[], []])
    with pytest.raises(NoFaceError):
        follow([[(200, 200, 90)]] * 2)


def test_the_detector_looks_again_in_every_frame_but_the_first_of_the_second_round():
    _, world = follow([[(200, 200, 150)]] * 3)
    assert world.looked == [0, 1, 2, 1, 2]


def test_the_second_round_starts_from_the_read_box():
    _, world = follow([[(200, 200, 150)]], [[(190, 210, 130)]])
    (first, detected), (second, start) = world.started
    assert (first, second) == (0, 0)
    assert detected == [125, 145, 255, 275]
    assert start == pytest.approx([125, 125, 275, 275], abs=1)


def test_a_larger_fresh_detection_begins_smoothing_anew():
    faces = [[(200, 200, 150)], [(203, 200, 150)]]
    world = World(faces)
    tracker = Tracker(world.detect, world)
    tracker.step(0)
    (smoothed,) = tracker.step(1)
    assert not np.allclose(smoothed.points, (LAYOUT - 0.5) / 0.85 * 150 + [203, 200], atol=0.1)
    grown = World([[(200, 200, 150)], [(203, 200, 170)]])
    other = Tracker(grown.detect, grown)
    other.step(0)
    (fresh,) = other.step(1)
    assert np.allclose(fresh.points, (LAYOUT - 0.5) / 0.85 * 170 + [203, 200])


def test_overlapping_faces_leave_the_larger_one_and_of_equal_ones_the_first():
    def track(left, size):
        return Track(np.array([left, 0.0, left + size, size]), 1.0)

    small, large, far = track(0, 100), track(10, 120), track(400, 50)
    assert without_overlaps([small, large, far]) == [large, far]
    first, second = track(0, 100), track(5, 100)
    assert without_overlaps([first, second]) == [first]
    touching = [track(0, 100), track(90, 100)]
    assert without_overlaps(touching) == touching


def test_turned_faces_count_as_larger():
    class Turned(World):
        def _read(self, frame, centre):
            straight = super()._read(frame, centre)
            return Reading(straight.points, -9.0, 15.0, straight.score, 0.0)

    world = Turned([[(200, 200, 150)]])
    (track,) = Tracker(world.detect, world).step(0)
    wide = np.linalg.norm(track.points[0] - track.points[32])
    assert track.face_size == pytest.approx(wide * (1 + (9 + 0.6 * 15) / 18))
