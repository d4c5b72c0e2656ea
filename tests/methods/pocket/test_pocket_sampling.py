from __future__ import annotations

from dataclasses import replace

import pytest
import torch

pytest.importorskip("diffusers")

from portraitbench.methods.pocket.autoencoder import CHANNELS
from portraitbench.methods.pocket.sampling import Sampling, make_scheduler, sample_latents
from portraitbench.methods.pocket.sketch import SKETCH
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


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_frames_share_their_noise_and_the_seed_decides_it(eta):
    denoiser = velocity_of(lambda noisy, a, s: 0.5 * noisy)
    first, second = sample_latents(denoiser, given(2), Sampling(4, 1.0, eta, 1.0), seed=3)
    assert torch.equal(first, second)
    assert torch.equal(first, sample_latents(denoiser, given(1), Sampling(4, 1.0, eta, 1.0), seed=3)[0])
    assert not torch.equal(first, sample_latents(denoiser, given(1), Sampling(4, 1.0, eta, 1.0), seed=4)[0])


def test_guidance_goes_further_from_the_answer_without_a_sketch():
    """A denoiser that answers with the sketch's mean: at the scale w the result is w times that, by its closed form."""
    called = []

    def denoiser(noisy, t, given):
        called.append(float(given.sketch.amax()))
        return velocity_of(lambda noisy, a, s: given.sketch.mean().expand_as(noisy))(noisy, t, given)

    known = replace(given(), sketch=torch.full((1, SKETCH, 8, 8), 0.2))
    plain = sample_latents(denoiser, known, Sampling(5, eta=0.0, guidance=1.0), seed=0)
    assert called == [pytest.approx(0.2)] * 5
    guided = sample_latents(denoiser, known, Sampling(5, eta=0.0, guidance=1.5), seed=0)
    assert called[5:] == [pytest.approx(0.2), 0.0] * 5
    assert torch.allclose(plain, torch.full_like(plain, 0.2), atol=1e-3)
    assert torch.allclose(guided, torch.full_like(plain, 0.3), atol=1e-3)


def test_a_denoiser_that_does_not_look_at_the_sketch_is_not_guided():
    denoiser = velocity_of(lambda noisy, a, s: 0.5 * noisy)
    one, other = (sample_latents(denoiser, given(), Sampling(4, guidance=scale), seed=3) for scale in (1.0, 3.0))
    assert torch.allclose(one, other, atol=1e-5)
