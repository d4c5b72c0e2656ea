from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers")

from portraitbench.methods.pocket.autoencoder import CHANNELS
from portraitbench.methods.pocket.sampling import Sampling, make_scheduler, sample_latents
from portraitbench.methods.pocket.sketch import SKETCH, draw_sketch
from portraitbench.methods.pocket.unet import DenoiserInputs


def given(frames=1, side=8):
    empty = torch.zeros(frames, CHANNELS, side, side)
    return DenoiserInputs(empty, empty, empty, torch.zeros(frames, 16), torch.zeros(frames, SKETCH, side, side))


def velocity_of(clean):
    """Makes a denoiser of what it should think the clean latents are, a function of the noisy ones, a and s."""
    alphas = make_scheduler().alphas_cumprod

    def denoiser(noisy, t, given):
        alpha = alphas[t][:, None, None, None]
        a, s = alpha.sqrt(), (1 - alpha).sqrt()
        x0 = clean(noisy, a, s)
        return a * (noisy - a * x0) / s - s * x0

    return denoiser


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_sampling_recovers_latents_that_the_denoiser_knows(eta):
    """With a denoiser that answers the true v of one image, sampling ends at that image."""
    clean = torch.randn(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = []

    def on_step(index, count, t):
        seen.append((index, count, int(t)))

    denoiser = velocity_of(lambda noisy, a, s: clean)
    done = sample_latents(denoiser, given(), Sampling(25, 0.5, eta, 1.0), seed=1, on_step=on_step)
    assert torch.allclose(done, clean, atol=1e-3)
    assert seen == [(index, 25, 999 - 40 * index) for index in range(25)]


def spread(deviation, sampling):
    """Deviation of what is sampled where latents are normal, so that the best denoiser has a closed form."""
    denoiser = velocity_of(lambda noisy, a, s: deviation**2 * a * noisy / (a**2 * deviation**2 + s**2))
    return float(sample_latents(denoiser, given(side=64), sampling, seed=0).std())


@pytest.mark.parametrize("deviation", [0.3, 0.7])
def test_fresh_noise_gives_back_what_a_low_temperature_takes(deviation):
    assert spread(deviation, Sampling(1000, 1.0, 0.0, 1.0)) == pytest.approx(deviation, rel=0.05)
    assert spread(deviation, Sampling(1000, 1.0, 1.0, 1.0)) == pytest.approx(deviation, rel=0.05)
    assert spread(deviation, Sampling(1000, 0.5, 0.0, 1.0)) == pytest.approx(deviation / 2, rel=0.05)
    assert spread(deviation, Sampling(1000, 0.5, 1.0, 1.0)) == pytest.approx(deviation, rel=0.05)


def spread_knowing(deviation, steps, unknown):
    """The same, with a prior that knows how far the latents spread."""
    denoiser = velocity_of(lambda noisy, a, s: deviation**2 * a * noisy / (a**2 * deviation**2 + s**2))
    everywhere = torch.ones(1, SKETCH, 64, 64)
    known = replace(given(side=64), variance=torch.full((1, CHANNELS, 64, 64), deviation**2), sketch=everywhere)
    return float(sample_latents(denoiser, known, Sampling(steps, 1.0, 1.0, 1.0, unknown), seed=0).std())


@pytest.mark.parametrize("steps", [5, 10])
@pytest.mark.parametrize("deviation", [0.3, 0.7])
def test_few_steps_spread_as_many_once_the_unknown_is_in_the_noise(deviation, steps):
    """Before the last step the deviation is exact; that one takes a mean, whose deviation has a closed form."""
    alpha = float(make_scheduler().alphas_cumprod[1000 // steps - 1])
    signal = alpha * deviation**2
    exact = deviation * (signal / (signal + 1 - alpha)) ** 0.5
    assert spread_knowing(deviation, steps, 1.0) == pytest.approx(exact, rel=0.02)
    assert spread_knowing(deviation, steps, 0.0) < 0.95 * exact
    assert spread_knowing(deviation, steps, 0.0) < spread_knowing(deviation, steps, 0.5) < 0.99 * exact


def test_the_unknown_is_in_the_noise_of_the_lips_alone():
    """Cells that lie more than three from a lip's line come out as without it; those on one do not."""
    from scipy.ndimage import binary_dilation

    landmarks = torch.full((1, 68, 2), 10.0)
    corners = torch.tensor([[60.0, 90.0], [76.0, 86.0], [92.0, 90.0], [76.0, 98.0]])
    landmarks[0, 48:] = corners.repeat_interleave(5, dim=0)
    sketch = draw_sketch(landmarks, (32, 32))
    known = replace(given(side=32), variance=torch.ones(1, CHANNELS, 32, 32), sketch=sketch)
    denoiser = velocity_of(lambda noisy, a, s: a * noisy)
    # The other noise is the same only while nothing else is drawn between: two steps, of which one has any.
    with_it, without = (sample_latents(denoiser, known, Sampling(2, 1, 1, 1, share), seed=0) for share in (1.0, 0.0))
    changed = (with_it - without).abs().amax(dim=1)[0].numpy()
    near = np.zeros((32, 32), bool)
    for start, end in zip(corners, corners.roll(-1, 0), strict=True):
        for share in np.linspace(0, 1, 50):
            x, y = ((1 - share) * start + share * end).numpy()
            near[int((y + 0.5) // 4), int((x + 0.5) // 4)] = True
    assert changed[near].min() > 1e-3
    assert changed[~binary_dilation(near, np.ones((3, 3)), iterations=3)].max() < 1e-4


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_frames_share_their_noise_and_the_seed_decides_it(eta):
    denoiser = velocity_of(lambda noisy, a, s: 0.5 * noisy)
    first, second = sample_latents(denoiser, given(2), Sampling(4, 1.0, eta, 1.0), seed=3)
    assert torch.equal(first, second)
    assert torch.equal(first, sample_latents(denoiser, given(1), Sampling(4, 1.0, eta, 1.0), seed=3)[0])
    assert not torch.equal(first, sample_latents(denoiser, given(1), Sampling(4, 1.0, eta, 1.0), seed=4)[0])
