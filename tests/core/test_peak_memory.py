"""Peaks of blocks within blocks, which share a counter that each begins anew."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from portraitbench.core import peak_memory
from portraitbench.core.peak_memory import PeakMemory, peak_of_part, reset_peak_resident


class Card:
    """A device's memory: what is allocated, and the most of it since the counter began anew."""

    def __init__(self):
        self.now = self.peak = 0

    def use(self, size):
        self.now = size
        self.peak = max(self.peak, size)

    def is_available(self):
        return True

    def reset_peak_memory_stats(self, _device):
        self.peak = self.now

    def max_memory_allocated(self, _device):
        return self.peak


@pytest.fixture
def card(monkeypatch):
    made = Card()
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=made))
    return made


@pytest.mark.parametrize("at", range(5))
def test_a_part_that_begins_anew_takes_nothing_from_the_whole(card, at):
    """Wherever the highest lies: before the parts, in the first, between them, in the second, after them."""
    sizes = [1, 2, 3, 4, 5]
    sizes[at] = 9
    before, first, between, second, after = sizes
    with PeakMemory("cuda") as whole:
        card.use(before)
        card.use(0)
        with peak_of_part() as one:
            card.use(first)
        card.use(between)
        card.use(0)
        with peak_of_part() as two:
            card.use(second)
            card.use(0)
        card.use(after)
    assert (whole.bytes, one.bytes, two.bytes) == (9, first, second)


def test_a_part_is_measured_on_its_wholes_device_and_only_within_one(card):
    with peak_of_part() as alone:
        assert alone is None
    with PeakMemory("cuda:1"), peak_of_part() as part:
        assert part.device == "cuda:1"

    def fail():
        with PeakMemory("cuda"), peak_of_part():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert peak_memory._open == []


@pytest.mark.skipif(not reset_peak_resident(), reason="the system cannot count anew")
def test_main_memory_of_each_part_is_its_own():
    size = 300_000_000
    with PeakMemory() as whole:
        with peak_of_part() as small:
            pass
        with peak_of_part() as large:
            np.ones(size, np.uint8)
        with peak_of_part() as later:
            pass
    assert whole.bytes >= large.bytes > small.bytes + 0.9 * size
    assert large.bytes > later.bytes + 0.9 * size
