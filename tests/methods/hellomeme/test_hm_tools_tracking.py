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


def lasting(boxes, steps_on=True):
    """Which boxes last, by counting cells; where not ``steps_on``, a dropped one is compared no more."""
    cells = [{(x, y) for x in range(a, c) for y in range(b, d)} for a, b, c, d in boxes]
    alive = set(range(len(boxes)))
    for one in range(len(boxes)):
        rivals = sorted(alive - {one}) if one in alive else []
        for other in rivals:
            if 100 * len(cells[one] & cells[other]) > 12 * len(cells[one] | cells[other]):
                alive.discard(one if len(cells[one]) < len(cells[other]) else other)
            if one not in alive and not steps_on:
                break
    return sorted(alive)


def kept(boxes):
    tracks = [Track(np.float32(box), 1.0) for box in boxes]
    return [tracks.index(track) for track in without_overlaps(tracks)]


def test_a_dropped_face_still_drops_smaller_ones():
    middle, large, small = (10, 0, 20, 10), (0, 0, 16, 12), (17, 0, 24, 9)
    assert lasting([middle, large, small], steps_on=False) == [1, 2]
    # The large face drops the middle one, which drops the small one all the same, though that is clear of the large.
    assert kept([middle, large, small]) == [1]
    # After the large face's own turn the middle one is gone before it can do so.
    assert kept([large, middle, small]) == [0, 2]


def test_what_lasts_is_what_counting_cells_says():
    draw = np.random.default_rng(4)
    corners, sizes = draw.integers(0, 14, (400, 5, 2)), draw.integers(4, 14, (400, 5, 2))
    boxes = np.concatenate([corners, corners + sizes], axis=2).tolist()
    assert [kept(some) for some in boxes] == [lasting(some) for some in boxes]
    assert any(lasting(some) != lasting(some, steps_on=False) for some in boxes)


def test_turned_faces_count_as_larger():
    class Turned(World):
        def _read(self, frame, centre):
            straight = super()._read(frame, centre)
            return Reading(straight.points, -9.0, 15.0, straight.score, 0.0)

    world = Turned([[(200, 200, 150)]])
    (track,) = Tracker(world.detect, world).step(0)
    wide = np.linalg.norm(track.points[0] - track.points[32])
    assert track.face_size == pytest.approx(wide * (1 + (9 + 0.6 * 15) / 18))
