"""What every answer of a metric is checked for, and which frames are compared at all."""

from __future__ import annotations

import numpy as np
import pytest

from portraitbench.core.errors import MediaError, Status
from portraitbench.metrics.base import Scores, check_lengths
from portraitbench.metrics.per_frame import compare_found

NAN = float("nan")


def test_missing_faces_and_undefined_values_are_told_apart():
    scores = Scores.of_frames(np.array([1.0, 2.0, NAN, NAN]), np.array([True, False, True, False]))
    assert list(scores.status) == [Status.OK, Status.NO_FACE, Status.UNDEFINED, Status.NO_FACE]
    assert np.isnan(scores.values).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("values", "status"), [([NAN], [Status.OK]), ([1.0], [Status.NO_FACE]), ([1.0, 2.0], [Status.OK])]
)
def test_values_and_statuses_must_agree(values, status):
    with pytest.raises(ValueError, match=r"status"):
        Scores(np.array(values), status)


def test_only_frames_with_features_are_compared():
    features = np.array([[1.0, 2.0], [NAN, 2.0], [3.0, 4.0], [5.0, 6.0]])
    shown = []

    def compare(rows):
        shown.extend(rows.tolist())
        return rows.sum(axis=1)

    values = compare_found(np.array([True, True, True, False]), compare, features)
    assert shown == [[1, 2], [3, 4]]
    assert values[[0, 2]].tolist() == [3, 7]
    assert np.isnan(values[[1, 3]]).all()


def test_nothing_is_compared_where_there_is_no_face():
    def compare(rows):
        raise AssertionError("called without a row")

    assert np.isnan(compare_found(np.zeros(3, bool), compare, np.full((3, 1), NAN))).all()


def test_lengths():
    check_lengths(5, 5)
    with pytest.raises(MediaError, match="the output has 5 frames, the target 6"):
        check_lengths(5, 6, "target")
