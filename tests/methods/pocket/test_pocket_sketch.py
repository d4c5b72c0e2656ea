from __future__ import annotations

import math

import pytest
import torch

from portraitbench.methods.pocket.sketch import FINE, PARTS, SKETCH, WIDTH, draw_sketch


def planes(sketch):
    return torch.nn.functional.pixel_shuffle(sketch, FINE)


def distance(point, start, end):
    """From a piece of a line, by trying 2001 points of it."""
    return min(
        math.dist(point, [a + share / 2000 * (b - a) for a, b in zip(start, end, strict=True)]) for share in range(2001)
    )


def pieces(part, points):
    for first, end, closed in part:
        own = points[first:end].tolist()
        yield from zip(own, own[1:] + (own[:1] if closed else []), strict=False)


@pytest.mark.parametrize("part", range(len(PARTS)))
def test_a_place_is_as_bright_as_it_is_near_the_nearest_line(shipped, part):
    points = torch.tensor(shipped[1][3], dtype=torch.float32)
    drawn = planes(draw_sketch(points[None], (32, 32)))[0, part]
    assert drawn.shape == (64, 64)
    rows, columns = torch.nonzero(drawn > 0.2, as_tuple=True)
    assert len(rows) > 20
    for row, column in list(zip(rows.tolist(), columns.tolist(), strict=True))[::9]:
        place = (2 * column + 0.5, 2 * row + 0.5)  # its middle, in pixels of 128
        nearest = min(distance(place, *piece) for piece in pieces(PARTS[part], points))
        assert float(drawn[row, column]) == pytest.approx(math.exp(-(nearest**2) / (2 * WIDTH**2)), abs=2e-3)


def test_all_points_belong_to_a_line():
    drawn = [point for part in PARTS for first, end, _ in part for point in range(first, end)]
    assert sorted(drawn) == list(range(68))


def test_other_sizes_show_the_same_and_points_that_coincide_are_drawn(shipped):
    points = torch.tensor(shipped[1][:2], dtype=torch.float32)
    small = draw_sketch(points, (8, 8))
    assert small.shape == (2, SKETCH, 8, 8)
    shut = points.clone()
    shut[:, 60:68] = shut[:, 60:61]
    drawn = planes(draw_sketch(shut, (32, 32)))
    assert bool(drawn.isfinite().all())
    # One dot remains of the inner lips; the other parts are as before.
    assert torch.allclose(drawn[:, :4], planes(draw_sketch(points, (32, 32)))[:, :4])
    column, row = ((shut[0, 60] - 0.5) / 2).round().long().tolist()
    assert float(drawn[0, 4, row, column]) > 0.7
    assert int((drawn[0, 4] > 0.05).sum()) < 25
