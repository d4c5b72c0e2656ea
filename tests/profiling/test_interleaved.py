"""Timings: their order, their warm-up, and what is kept of them."""

from __future__ import annotations

import torch

from portraitbench.profiling.interleaved import ClockReading, interleave

CPU = torch.device("cpu")


def test_ways_alternate_after_a_warm_up_and_keep_what_they_give():
    order, told = [], []

    def way(name, size):
        def run():
            order.append(name)
            torch.zeros(size)
            return f"{name}{order.count(name)}"

        return run

    turns = interleave({"a": way("a", 10), "b": way("b", 100)}, 2, CPU, lambda done, total: told.append((done, total)))
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert told == [(done, 6) for done in range(1, 7)]
    assert (turns["a"].first, turns["a"].found) == ("a1", ["a2", "a3"])
    assert (turns["a"].peak_bytes, turns["b"].peak_bytes) == (40, 400)
    assert len(turns["b"].wall) == len(turns["b"].processor) == 2


def test_moments_are_told_apart_by_both_clocks():
    passed = ClockReading(5.0, 2.0).since(ClockReading(1.5, 1.0))
    assert (passed.wall, passed.processor) == (3.5, 1.0)
    first, second = ClockReading.now(CPU), ClockReading.now(CPU)
    assert second.wall >= first.wall
    assert second.processor >= first.processor
