"""Decoded clips that are kept for whoever asks next, in memory of a limited size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from ..datasets.clip import Clip
from ..datasets.manifest import Window

Decode = Callable[[str, Window], Clip]
"""From a suite's name and a window to its frames."""


class KeptClips:
    """A decoder that remembers the clips it was asked for last.

    Args:
        decode: What is asked for all others.
        most_bytes: How many bytes of frames are kept; of a larger clip that one alone, until the next is asked for.
    """

    def __init__(self, decode: Decode, most_bytes: int) -> None:
        self._decode = decode
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, Window], Clip] = OrderedDict()
        self._bytes = 0

    def __call__(self, suite: str, window: Window) -> Clip:
        """The clip, decoded unless it is one of those kept."""
        place = suite, window
        if place not in self._kept:
            self._kept[place] = clip = self._decode(suite, window)
            self._bytes += clip.frames.nbytes
        self._kept.move_to_end(place)
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.frames.nbytes
        return self._kept[place]
