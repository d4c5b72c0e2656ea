"""The smoother against a point-by-point loop written from the description of the filter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portraitbench.methods.hellomeme.face.smoothing import STEADINESS, Smoother

# Part, points that are watched, still below, numbers at the two ends.
TABLE = [
    (range(33), range(9, 24), 0.005, 0.05, 0.3),
    (range(33, 48), None, 0.003, 0.03, 0.7),
    (range(48, 74), None, 0.003, 0.02, 0.5),
    (range(74, 96), None, 0.003, 0.03, 0.7),
    (range(96, 118), None, 0.003, 0.03, 0.7),
    (range(118, 182), None, 0.003, 0.05, 0.7),
    (range(182, 202), None, 0.003, 0.03, 0.7),
    (range(202, 222), None, 0.003, 0.03, 0.7),
]


def by_hand(clip, sizes):
    """One-Euro for every coordinate on its own, with plain numbers."""
    last, speeds, out = clip[0].tolist(), [[0.0, 0.0] for _ in range(222)], [clip[0].tolist()]
    for points, size in zip(clip[1:].tolist(), sizes[1:], strict=True):
        now = [None] * 222
        for part, watched, still, low, high in TABLE:
            moved = [math.dist(points[k], last[k]) / size for k in watched or part]
            mean = sum(moved) / len(moved)
            if mean < still:
                rate = low * mean / still
            elif mean < 0.02:
                rate = low + (high - low) * (mean - still) / (0.02 - still)
            else:
                rate = high
            for k in part:
                now[k] = [0.0, 0.0]
                for axis in (0, 1):
                    share = 2 * math.pi * rate / (2 * math.pi * rate + 1)
                    speed = share * (points[k][axis] - last[k][axis]) / rate + (1 - share) * speeds[k][axis]
                    turns = 2 * math.pi * (1 + rate * abs(speed)) * rate
                    follow = turns / (turns + 1)
                    now[k][axis] = follow * points[k][axis] + (1 - follow) * last[k][axis]
                    speeds[k][axis] = speed
        last = now
        out.append(now)
    return np.array(out)


@pytest.mark.parametrize("step", [0.1, 0.6, 3.0, 12.0], ids=["still", "slow", "moving", "fast"])
def test_every_coordinate_is_a_one_euro_filter(step):
    draw = np.random.default_rng(2)
    clip = 200 + draw.normal(0, 40, (1, 222, 2)) + draw.normal(0, step, (7, 222, 2)).cumsum(axis=0)
    sizes = draw.uniform(180, 260, 7)
    smoother = Smoother()
    found = np.stack([smoother(points, size) for points, size in zip(clip, sizes, strict=True)])
    assert np.allclose(found, by_hand(clip, sizes), atol=1e-9)
    assert not np.allclose(found[1:], clip[1:], atol=1e-3)


def test_the_parts_cover_every_point_once():
    covered = np.zeros(222, int)
    for own in STEADINESS:
        covered[own.part] += 1
    assert (covered == 1).all()


def test_one_frame_is_left_as_it_is():
    points = np.random.default_rng(1).uniform(0, 500, (222, 2))
    assert np.array_equal(Smoother()(points, 100.0), points)


def test_a_still_picture_stays_where_it_is():
    points = np.random.default_rng(1).uniform(0, 500, (222, 2))
    smoother = Smoother()
    for _ in range(3):
        assert np.array_equal(smoother(points, 100.0), points)
    moved = smoother(points + 4, 100.0)
    assert np.isfinite(moved).all()
    assert (moved > points).all()
    assert (moved < points + 4).all()
