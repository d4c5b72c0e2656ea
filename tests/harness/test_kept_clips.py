"""Clips are decoded again only after as much as may be kept has been asked for since."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import Window
from portraitbench.harness.kept_clips import KeptClips

FRAME = 2 * 2 * 3


@given(asked=st.lists(st.integers(1, 6), max_size=40), most=st.integers(1, 12))
def test_a_clip_is_at_hand_while_it_fits_with_those_asked_for_since(asked, most):
    """Clip n has n frames. By brute force: a clip is kept if all that was asked for since, and itself, fits."""
    decoded = []

    def decode(suite, window):
        decoded.append(window.frames)
        return Clip(np.full((window.frames, 2, 2, 3), window.frames, np.uint8))

    kept = KeptClips(decode, most * FRAME)
    expected = []
    for place, count in enumerate(asked):
        before = asked[:place]
        last = max((index for index, one in enumerate(before) if one == count), default=None)
        since = set(before[last:]) if last is not None else set()
        at_hand = last is not None and (sum(since) <= most or since == {count})
        expected += [] if at_hand else [count]
        clip = kept("suite", Window(asset="a", frames=count))
        assert len(clip) == count
        assert (clip.frames == count).all()
    assert decoded == expected


def test_suites_and_windows_are_told_apart():
    kept = KeptClips(lambda suite, window: Clip(np.full((1, 2, 2, 3), ord(suite) + window.start, np.uint8)), 10**6)
    places = [("a", 0), ("b", 0), ("a", 1), ("a", 0)]
    found = [int(kept(suite, Window(asset="x", start=start)).frames.max()) for suite, start in places]
    assert found == [97, 98, 98, 97]
