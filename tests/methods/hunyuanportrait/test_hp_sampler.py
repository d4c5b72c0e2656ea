"""The long-clip sampler against a loop over single frames in double precision; guidance with two and three passes."""

from __future__ import annotations

import math

import pytest
import torch

from portraitbench.methods.hunyuanportrait.guidance import branches, combined, stacked
from portraitbench.methods.hunyuanportrait.sampler import Windows, sample
from portraitbench.methods.hunyuanportrait.schedule import VideoNoise

CELLS = 3


def randn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def smear(noisy, level, frames):
    """A denoiser that looks across the window, at the level and at the frames' numbers; each position differs."""
    scaled = noisy / (level**2 + 1) ** 0.5
    numbers = torch.tensor([math.sin(float(frame)) for frame in frames], dtype=noisy.dtype)[:, None, None, None]
    return (scaled.cumsum(0) / len(frames) + numbers * scaled.roll(1, -1)).tanh()


def brute_force(start, steps, windows):
    """Plain loops over steps, windows and frames; Euler's step written out in x and its derivative."""
    ramp = [(700 ** (1 / 7) + i / max(1, steps - 1) * (0.002 ** (1 / 7) - 700 ** (1 / 7))) ** 7 for i in range(steps)]
    sigmas, shift, frames = [*ramp, 0.0], 0, len(start)
    x = start.double()
    for step in range(steps):
        sigma, following = sigmas[step], sigmas[step + 1]
        found = [[] for _ in range(frames)]
        for first in range(0, frames, windows.length - windows.overlap):
            numbers = [(first - shift + own) % frames for own in range(windows.length)]
            clip = torch.stack([x[number] for number in numbers])
            v = smear(clip, sigma, numbers)
            clean = clip / (sigma**2 + 1) - v * sigma / math.sqrt(sigma**2 + 1)
            moved = clip + (clip - clean) / sigma * (following - sigma)
            for own, number in enumerate(numbers):
                found[number].append(moved[own])
        x = torch.stack([sum(own) / len(own) for own in found])
        shift = (shift + windows.shift) % windows.length
    return x


@pytest.mark.parametrize("frames", [1, 2, 24, 25, 26, 31, 47, 120])
@pytest.mark.parametrize("windows", [Windows(), Windows(length=7, overlap=3, shift=5)], ids=["upstream", "other"])
def test_any_length_is_sampled_as_the_loops_say(frames, windows):
    start = 700 * randn(frames, frames, 4, CELLS, CELLS + 1)
    found = sample(VideoNoise(), start, lambda x, t, rows: smear(x, float(t), rows), 6, windows=windows)
    expected = brute_force(start, 6, windows)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=2e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("frames", [1, 2, 24, 25, 26, 47, 120])
def test_windows_are_whole_cover_every_frame_and_are_as_many_as_upstreams(frames):
    for step in range(30):
        own = Windows().at(step, frames)
        assert len(own) == math.ceil(frames / 22)
        assert all(len(window) == 25 for window in own)
        assert {frame for window in own for frame in window} == set(range(frames))
        assert own[0][0] == -(3 * step % 25) % frames


def test_windows_that_do_not_move_on_are_refused():
    with pytest.raises(ValueError, match="overlap"):
        Windows(length=5, overlap=5)


def test_the_state_stays_in_float32_whatever_the_denoiser_answers_in():
    """At 700 neighbouring numbers of 16 bit are two apart."""
    start = 700 * randn(0, 30, 4, 2, 2)

    def in_16_bit(x, t, rows):
        assert x.dtype == torch.float32
        return torch.zeros_like(x).half()

    found = sample(VideoNoise(), start, in_16_bit, 1)
    torch.testing.assert_close(found, start / (700.0**2 + 1), rtol=1e-4, atol=1e-5)


def test_each_step_is_told_once_with_its_level():
    told = []
    sample(VideoNoise(), randn(0, 60, 4, 2, 2), lambda x, t, rows: x, 4, on_step=lambda *step: told.append(step))
    assert [step[:2] for step in told] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert [float(step[2]) for step in told] == pytest.approx(VideoNoise().sampling_times(4)[:-1].tolist())


@pytest.mark.parametrize(
    ("scales", "count"),
    [
        ((2.0, 2.0), 2),
        ((1.5, 3.0), 3),
        ((1.0, 1.0), 1),
        ((1.0, 2.0), 2),
        ((2.0, 1.0), 3),
        ((0.0, 0.0), 1),
        ((2.0, 0.0), 2),
    ],
)
def test_left_out_passes_change_nothing(scales, count):
    """Against v = v0 + a (v1 - v0) + m (v2 - v1) with all three."""
    without, appearance, both = (randn(seed, 2, 4, 3, 3) for seed in range(3))
    answers = {(False, False): without, (True, False): appearance, (True, True): both}
    a, m = scales
    passes = branches(a, m)
    found = combined(torch.stack([answers[one.appearance, one.motion] for one in passes]), passes)
    torch.testing.assert_close(found, without + a * (appearance - without) + m * (both - appearance))
    assert sum(one.weight for one in passes) == pytest.approx(1)
    assert len(passes) == count


def test_a_dropped_condition_is_zeros():
    given = randn(0, 1, 4, 3)
    assert torch.equal(stacked(given, [False, True]), torch.cat([torch.zeros(1, 4, 3), given]))
