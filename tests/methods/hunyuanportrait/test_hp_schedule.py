"""Noise levels of sampling and training, and the v-prediction, against diffusers and closed forms."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from diffusers import EulerDiscreteScheduler
from hp_svd import SCHEDULER
from scipy.stats import norm

from portraitbench.methods.hunyuanportrait.schedule import NoiseLevels, VideoNoise
from portraitbench.methods.hunyuanportrait.schedule_figure import coverage, last_level_on
from portraitbench.methods.hunyuanportrait.schedule_figure import draw as draw_figure

LEVELS = [700.0, 49.8, 14.6, 1.0, 0.03, 0.002]


def draw(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("steps", [2, 4, 25, 50])
def test_sampling_has_the_levels_and_times_of_diffusers(steps):
    theirs = EulerDiscreteScheduler(**SCHEDULER)
    theirs.set_timesteps(steps)
    path = VideoNoise()
    own = path.sampling_times(steps)
    torch.testing.assert_close(own, theirs.sigmas.float(), rtol=1e-5, atol=0)
    torch.testing.assert_close(path.model_time(own[:-1]), theirs.timesteps.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_a_prediction_of_the_target_gives_the_clean_latents(level):
    path, t = VideoNoise(), torch.tensor([level], dtype=torch.float64)
    clean, noise = draw(0, 3, 4, 5, 5), draw(1, 3, 4, 5, 5)
    noisy, target = path.add_noise(clean, noise, t), path.target(clean, noise, t)
    torch.testing.assert_close(target, (noise - level * clean) / math.sqrt(level**2 + 1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(path.x0(noisy, target, t), clean, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_the_target_keeps_its_digits_in_float32(level):
    """Computed as (clean - c_skip noisy) / c_out it would lose three of them at the lowest level."""
    clean, noise = draw(0, 3, 4, 5, 5), draw(1, 3, 4, 5, 5)
    path = VideoNoise()
    exact = path.target(clean, noise, torch.tensor([level], dtype=torch.float64))
    own = path.target(clean.float(), noise.float(), torch.tensor([level]))
    torch.testing.assert_close(own.double(), exact, rtol=1e-6, atol=1e-6)


def test_a_step_is_eulers():
    theirs = EulerDiscreteScheduler(**SCHEDULER)
    theirs.set_timesteps(25)
    path, times = VideoNoise(), VideoNoise().sampling_times(25)
    for step in (0, 9, 20, 24):
        noisy, v = times[step] * draw(2, 2, 4, 3, 3).float(), draw(3, 2, 4, 3, 3).float()
        theirs._step_index, theirs.is_scale_input_called = step, True
        expected = theirs.step(v, theirs.timesteps[step], noisy).prev_sample
        found = path.step(noisy, v, times[step : step + 1], times[step + 1 : step + 2])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(noisy.abs().max()))


def test_shares_of_training_above_the_adapters_last_level():
    """Uniform shares: 37.7 % of the ramp lies at 49.8 or above, 2.2 % of SVD's own training, nothing of its table."""
    share, last = torch.arange(0.5, 20000) / 20000, 49.8
    ramp = (700 ** (1 / 7) - last ** (1 / 7)) / (700 ** (1 / 7) - 0.002 ** (1 / 7))
    expected = {"karras": ramp, "lognormal": norm.sf(math.log(last), 0.7, 1.6), "discrete": 0.0}
    for kind, closed in expected.items():
        drawn = VideoNoise(NoiseLevels(kind)).times(share)
        assert float((drawn >= last).double().mean()) == pytest.approx(closed, abs=2e-4), kind
        assert bool((drawn.diff() >= 0).all()), "0 is the cleanest share"


def test_the_discrete_table_is_the_schedulers():
    scheduler = EulerDiscreteScheduler(**SCHEDULER | {"use_karras_sigmas": False, "timestep_type": "discrete"})
    alphas = scheduler.alphas_cumprod
    expected = ((1 - alphas) / alphas).sqrt()
    found = VideoNoise(NoiseLevels.DISCRETE).times((torch.arange(1000) + 0.5) / 1000)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (float(found[0]), float(found[-1])) == pytest.approx((0.0292, 14.61), rel=1e-2)


def test_the_page_says_what_the_schedule_does():
    page = (Path(__file__).parents[3] / "docs" / "hunyuanportrait.md").read_text()
    assert f"{last_level_on():.1f}" == "49.8"
    for levels in NoiseLevels:
        found = coverage(levels)
        assert re.search(rf"\| `{levels}`.*\| {100 * found.on:.1f} % \| {found.median:.3g} \|", page), levels


def test_the_figure_on_the_page_is_the_one_that_is_drawn(tmp_path):
    draw_figure(tmp_path / "drawn.svg")
    kept = (Path(__file__).parents[3] / "docs" / "hunyuanportrait-schedule.svg").read_text()
    numbers = [re.findall(r"<path d=\"([^\"]+)\"", text) for text in ((tmp_path / "drawn.svg").read_text(), kept)]
    assert len(numbers[0]) == len(numbers[1]), "invoke schedule-figure"
