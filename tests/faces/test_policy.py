from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portraitbench.faces.base import Face
from portraitbench.faces.policy import MIN_IOU, area, choose, iou

coordinate = st.integers(0, 12)
boxes = st.tuples(coordinate, coordinate, coordinate, coordinate)


def face(*box: float) -> Face:
    return Face(np.array(box, np.float64), 1.0)


def cells(box):
    """The unit cells a box of whole numbers covers, one by one."""
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@given(boxes, boxes)
def test_overlap_equals_counting_cells(a, b):
    union = cells(a) | cells(b)
    expected = len(cells(a) & cells(b)) / len(union) if union else 0.0
    assert iou(np.array(a, float), np.array(b, float)) == pytest.approx(expected)
    assert area(np.array(a, float)) == len(cells(a))


@given(st.lists(st.lists(boxes, max_size=4), max_size=8))
def test_choice_follows_the_rule_frame_by_frame(clip):
    chosen = choose([[face(*box) for box in frame] for frame in clip])
    assert [index is None for index in chosen] == [not frame for frame in clip]
    last = None
    for frame, index in zip(clip, chosen, strict=True):
        if index is None:
            continue
        overlaps = [iou(np.array(box, float), last) for box in frame] if last is not None else [0.0]
        if max(overlaps) >= MIN_IOU:
            assert overlaps[index] == max(overlaps)
        else:
            assert len(cells(frame[index])) == max(len(cells(box)) for box in frame)
        last = np.array(frame[index], float)


def test_the_tracked_face_is_kept_when_a_larger_one_enters():
    small, large = face(0, 0, 10, 10), face(50, 50, 90, 90)
    assert choose([[small], [large, face(1, 0, 11, 10)], [large, face(2, 0, 12, 10)]]) == [0, 1, 1]


def test_a_gap_does_not_break_the_track_and_a_lost_face_yields_to_the_largest():
    small, large = face(0, 0, 10, 10), face(50, 50, 90, 90)
    assert choose([[small], [], [large, small]]) == [0, None, 1]
    assert choose([[small], [face(20, 20, 25, 25), large]]) == [0, 1]
