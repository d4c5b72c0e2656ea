"""The strip shows what it was given, where it says so."""

from __future__ import annotations

import numpy as np
import pytest

from portraitbench.datasets.clip import Clip
from portraitbench.reports.picture_style import font, shortened
from portraitbench.reports.strip import FRAMES, GAP, LABELS, LINE, draw_strip


def numbered(count, size=100, base=0):
    """Flat frames whose red is their number."""
    return Clip(np.stack([np.full((size, size, 3), (base + index, 50, 200), np.uint8) for index in range(count)]))


def test_a_single_frame_gives_one_row():
    parts = [(f"part {row}", numbered(1, base=40 * row)) for row in range(4)]
    strip = np.asarray(draw_strip(parts, 1))
    assert strip.shape == (LINE + 100 + GAP, GAP + 4 * (100 + GAP), 3)
    for column in range(4):
        left = GAP + column * (100 + GAP)
        assert (strip[LINE : LINE + 100, left : left + 100] == (40 * column, 50, 200)).all()
        assert strip[:LINE, left : left + 100].min() < 100, "no label"


@pytest.mark.parametrize(("frames", "shown"), [(2, [0, 1]), (6, range(6)), (11, [0, 2, 4, 6, 8, 10])])
def test_clips_give_rows_of_evenly_spread_frames(frames, shown):
    parts = [("still", numbered(1, base=90)), ("clip", numbered(frames)), ("short", numbered(2, base=60))]
    strip = np.asarray(draw_strip(parts, frames))
    assert len(shown) <= FRAMES
    assert strip.shape == (LINE + 3 * (100 + GAP), LABELS + len(shown) * (100 + GAP), 3)

    def cell(row, column):
        top, left = LINE + row * (100 + GAP), LABELS + column * (100 + GAP)
        own = strip[top : top + 100, left : left + 100]
        assert (own == own[0, 0]).all()
        return own[0, 0, 0]

    assert [cell(1, column) for column in range(len(shown))] == list(shown)
    # A still is shown once, a short clip holds its last frame.
    assert [cell(0, column) for column in range(len(shown))] == [90] + [255] * (len(shown) - 1)
    assert [cell(2, column) for column in range(len(shown))] == [60 + min(number, 1) for number in shown]
    assert strip[LINE : LINE + 100, :LABELS].min() < 100, "no label"


def test_large_frames_are_scaled_down_and_other_shapes_are_centred():
    wide = Clip(np.full((1, 300, 600, 3), 7, np.uint8))
    strip = np.asarray(draw_strip([("wide", wide)], 1))
    assert strip.shape == (LINE + 256 + GAP, 2 * GAP + 256, 3)
    assert (strip[LINE + 64 : LINE + 192, GAP : GAP + 256] == 7).all()
    assert (strip[LINE : LINE + 64] == 255).all()


def test_long_labels_are_cut_to_fit():
    text = "a very long label of a method with many options"
    cut = shortened(text, 13, 90)
    assert cut.endswith("…")
    assert text.startswith(cut[:-1])
    assert font(13).getlength(cut) <= 90 < font(13).getlength(text[: len(cut)] + "…")
    assert shortened("short", 13, 90) == "short"
