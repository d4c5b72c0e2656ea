from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import norm

pytest.importorskip("diffusers")

from portraitbench.core.errors import WeightsError
from portraitbench.methods.pocket.autoencoder import CHANNELS, load_autoencoder
from portraitbench.methods.pocket.prior import LOG_VARIANCE, WarpPrior, load_prior, surprise
from portraitbench.methods.pocket.sampling import make_scheduler
from portraitbench.methods.pocket.sketch import SKETCH
from portraitbench.methods.pocket.training import trainer as trainer_module
from portraitbench.methods.pocket.training.detail import face_boxes
from portraitbench.methods.pocket.training.train_unet import run
from portraitbench.methods.pocket.training.trainer import TrainConfig, Trainer, rate
from portraitbench.methods.pocket.training.warped import Batch
from portraitbench.methods.pocket.unet import (
    DenoiserInputs,
    PocketDenoiser,
    load_denoiser,
)

QUICK = TrainConfig(steps=4, batch=2, rate=1e-3, every=2)


class Random:
    """Batches of noise, decided by the generator they are drawn with."""

    def draw(self, batch, generator):
        latents = torch.randn(2, batch, CHANNELS, 8, 8, generator=generator)
        driving = torch.randn(batch, 16, generator=generator)
        sketch = torch.rand(batch, SKETCH, 8, 8, generator=generator)
        return Batch(latents[0], latents[1], driving, sketch, 32 * torch.rand(batch, 68, 2, generator=generator))


@pytest.fixture(scope="module")
def data():
    return Random()


def oracle_for(clean):
    """A denoiser that answers the true v of known latents."""
    alphas = make_scheduler().alphas_cumprod

    def oracle(noisy, t, given):
        alpha = alphas[t][:, None, None, None]
        noise = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean

    return oracle


def trained(data, folder, steps=4):
    trainer = Trainer(QUICK, "cpu")
    if (folder / "checkpoint.safetensors").is_file():
        trainer.resume(folder / "checkpoint.safetensors")
    while trainer.step < steps:
        trainer.advance(data)
    trainer.save(folder / "checkpoint.safetensors")
    return trainer


def test_a_training_cut_short_goes_on_to_the_same_weights(tiny, data, tmp_path):
    straight = trained(data, tmp_path / "a")
    trained(data, tmp_path / "b", steps=2)
    resumed = trained(data, tmp_path / "b")
    for own, other in zip(straight.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.equal(own, other)
    first, second = (load_file(tmp_path / name / "checkpoint.safetensors") for name in "ab")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_run_leaves_a_checkpoint_and_weights_that_load(data, tmp_path, capsys):
    trainer = Trainer(TrainConfig(steps=1, batch=2), "cpu")
    run(trainer, data, data, tmp_path, minutes=math.inf)
    assert "step 1 " in capsys.readouterr().out
    header, only = (tmp_path / "curve.csv").read_text().splitlines()
    point = dict(zip(header.split(","), only.split(","), strict=True))
    assert (point["step"], point["samples"]) == ("1", "2")
    assert float(point["rate"]) == pytest.approx(8e-4 / 300, rel=1e-2)
    assert float(point["held_out_loss"]) == pytest.approx(trainer.held_out(data), abs=1e-4)
    network = load_denoiser(tmp_path / "unet.safetensors")
    for own, other in zip(network.parameters(), trainer.average.parameters(), strict=True):
        assert torch.allclose(own, other, atol=2e-3)
    # All that the package may hold is 25 MB, and no file above 16 MB.
    assert (tmp_path / "unet.safetensors").stat().st_size < 16_000_000


def test_run_stops_when_its_minutes_are_over(tiny, data, tmp_path):
    trainer = Trainer(QUICK, "cpu")
    run(trainer, data, data, tmp_path, minutes=0.0)
    assert trainer.step == 1
    assert (tmp_path / "checkpoint.safetensors").is_file()


def test_the_loss_is_that_of_diffusers_velocity(tiny, data):
    """An all-zero prediction costs the weighted square of diffusers' own v for the same noise and times."""
    trainer = Trainer(QUICK, "cpu")
    batch = data.draw(5, torch.Generator().manual_seed(3))
    trainer.network.forward = lambda noisy, t, given: torch.zeros_like(noisy)
    loss = trainer.loss(trainer.network, batch, torch.Generator().manual_seed(4))
    generator = torch.Generator().manual_seed(4)
    t = torch.randint(1000, (5,), generator=generator)
    noise = torch.randn(batch.target.shape, generator=generator)
    velocity = make_scheduler().get_velocity(batch.target, noise, t)
    variance = trainer.prior(batch.identity, batch.driving)[1]
    alpha = make_scheduler().alphas_cumprod[t][:, None, None, None]
    weight = (1 - alpha + variance * alpha) / (variance + 0.1)
    assert float(loss.detach()) == pytest.approx(float((weight * velocity.square()).mean().detach()), rel=1e-5)


def test_cells_of_eyes_and_mouth_count_more_by_the_focus(tiny, data):
    """Cell by cell: the share of a cell's 16 pixels that lies in a box decides how much of the focus it gets."""
    trainer = Trainer(QUICK, "cpu")
    batch = data.draw(3, torch.Generator().manual_seed(3))
    plain = trainer.loss(trainer.network, batch, torch.Generator().manual_seed(4))
    trainer.network.forward = oracle_for(batch.target)
    at_truth = trainer.loss(trainer.network, batch, torch.Generator().manual_seed(4), focus=5)
    assert float(at_truth.detach()) < 1e-6 < float(plain.detach())

    boxes = face_boxes(batch.landmarks, 32).reshape(3, 8, 4, 8, 4).mean(dim=(2, 4))
    for row, down, across in ((0, 2, 3), (1, 4, 4), (2, 7, 0)):

        def one_cell_off(noisy, t, given, row=row, down=down, across=across):
            velocity = oracle_for(batch.target)(noisy, t, given)
            velocity[row, :, down, across] += 1
            return velocity

        trainer.network.forward = one_cell_off
        one, five = (
            float(trainer.loss(trainer.network, batch, torch.Generator().manual_seed(4), focus=focus).detach())
            for focus in (1.0, 5.0)
        )
        assert five / one == pytest.approx(1 + 4 * float(boxes[row, down, across]), rel=1e-3)


def test_the_rate_rises_stays_and_falls_to_zero():
    config = TrainConfig(steps=1000, rate=1.0)
    assert rate(config, 0) == pytest.approx(1 / 300)
    assert rate(config, 300) == rate(config, 699) == 1.0
    assert rate(config, 850) == pytest.approx(0.5)
    assert rate(config, 1000) == 0.0


def test_a_constant_rate_never_falls_and_does_not_know_the_end():
    config = TrainConfig(steps=1000, rate=1.0, schedule="constant")
    assert rate(config, 0) == pytest.approx(1 / 300)
    assert rate(config, 300) == rate(config, 999) == rate(config, 5000) == 1.0


def test_the_loss_in_pixels_comes_on_top_and_vanishes_for_the_true_answer(tiny, data):
    trainer = Trainer(QUICK, "cpu")
    batch = data.draw(3, torch.Generator().manual_seed(3))
    plain, more = (
        float(trainer.loss(trainer.network, batch, torch.Generator().manual_seed(4), detail=detail).detach())
        for detail in (0.0, 2.0)
    )
    assert more > plain
    trainer.network.forward = oracle_for(batch.target)
    assert float(trainer.loss(trainer.network, batch, torch.Generator().manual_seed(4), detail=2.0)) < 1e-2


def test_a_training_with_the_loss_in_pixels_also_resumes_to_the_same_weights(tiny, data, tmp_path):
    config = replace(QUICK, detail=1.0)
    straight, first = Trainer(config, "cpu"), Trainer(config, "cpu")
    for trainer, steps in ((straight, 3), (first, 1)):
        for _ in range(steps):
            trainer.advance(data)
    first.save(tmp_path / "checkpoint.safetensors")
    second = Trainer(config, "cpu")
    second.resume(tmp_path / "checkpoint.safetensors")
    second.advance(data)
    second.advance(data)
    plain = trained(data, tmp_path / "plain", steps=3)
    for own, other, without in zip(*(t.average.parameters() for t in (straight, second, plain)), strict=True):
        assert torch.equal(own, other)
        assert not torch.equal(own, without)


def test_two_processes_average_their_gradients(tiny, data, monkeypatch):
    """With a stand-in for the other process that has the same gradients, the step is that of one process."""
    alone = Trainer(TrainConfig(steps=4, batch=2, processes=1), "cpu")
    shared = Trainer(TrainConfig(steps=4, batch=4, processes=2), "cpu")
    monkeypatch.setattr(trainer_module, "seed_for", lambda *names: 7)
    monkeypatch.setattr(trainer_module.dist, "all_reduce", lambda flat: flat.mul_(2))
    assert alone.advance(data)[0] == pytest.approx(shared.advance(data)[0])
    for own, other in zip(alone.network.parameters(), shared.network.parameters(), strict=True):
        assert torch.allclose(own, other, atol=1e-7)
    assert shared.advance(data, over=True)[1]


def given(**changes):
    generator = torch.Generator().manual_seed(0)
    identity, mean = torch.randn(2, 1, CHANNELS, 8, 8, generator=generator)
    variance = torch.rand(1, CHANNELS, 8, 8, generator=generator) + 0.1
    driving = torch.randn(1, 16, generator=generator)
    sketch = torch.rand(1, SKETCH, 8, 8, generator=generator)
    return replace(DenoiserInputs(identity, mean, variance, driving, sketch), **changes)


def test_all_that_is_given_changes_the_answer():
    torch.manual_seed(0)
    denoiser, known = PocketDenoiser().eval(), given()
    noisy, t = torch.randn(1, CHANNELS, 8, 8), torch.tensor([500])
    with torch.no_grad():
        base = denoiser(noisy, t, known)
        assert base.shape == noisy.shape
        for name in ("identity", "mean", "variance", "sketch"):
            changed = given(**{name: getattr(known, name).flip(3)})
            assert not torch.equal(denoiser(noisy, t, changed), base)
        for k in range(16):
            other = known.driving.clone()
            other[0, k] += 1
            assert not torch.equal(denoiser(noisy, t, given(driving=other)), base)


@pytest.mark.parametrize("t", [0, 300, 999])
def test_a_unet_that_says_nothing_leaves_bayes_rule(t):
    """For x0 ~ N(mean, variance) and x_t = a x0 + s noise, x0 is the conditional mean given x_t."""
    denoiser, known = PocketDenoiser().eval(), given()
    denoiser.unet.conv_out.weight.data.zero_()
    denoiser.unet.conv_out.bias.data.zero_()
    alpha = float(make_scheduler().alphas_cumprod[t])
    noisy = torch.randn(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        velocity = denoiser(noisy, torch.tensor([t]), known)
    clean = alpha**0.5 * noisy - (1 - alpha) ** 0.5 * velocity
    covariance, total = alpha**0.5 * known.variance, alpha * known.variance + 1 - alpha
    expected = known.mean + covariance / total * (noisy - alpha**0.5 * known.mean)
    assert torch.allclose(clean, expected, atol=1e-4)


def test_the_prior_starts_as_the_warp_and_is_bounded():
    prior = WarpPrior()
    identity, driving = torch.randn(2, CHANNELS, 8, 8), torch.randn(2, 16)
    mean, _ = prior(identity, driving)
    assert torch.equal(mean, identity)
    prior.layers[-1].bias.data[CHANNELS:] = torch.tensor([-1e3, 1e3] * (CHANNELS // 2))
    low, high = prior(identity, driving)[1][0, :2, 0, 0].log().tolist()
    assert (low, high) == pytest.approx(LOG_VARIANCE, abs=1e-4)


def test_surprise_is_scipys_density():
    mean, clean = np.random.default_rng(0).normal(size=(2, 50))
    variance = np.random.default_rng(1).uniform(0.1, 2, 50)
    ours = surprise(*(torch.tensor(array) for array in (mean, variance, clean)))
    expected = -norm(mean, np.sqrt(variance)).logpdf(clean).mean() - 0.5 * np.log(2 * np.pi)
    assert float(ours) == pytest.approx(expected)


def test_the_shipped_prior_is_sure_of_the_background_and_not_of_the_mouth(shipped):
    """On a render that drives itself with another expression code: corners against the mouth's cells."""
    frames = torch.tensor(shipped[0][:1].copy()).permute(0, 3, 1, 2) / 127.5 - 1
    mouth = shipped[1][0][48:68].mean(axis=0) // 4
    driving = torch.zeros(1, 16)
    driving[0, 0] = 0.5
    with torch.no_grad():
        variance = load_prior()(load_autoencoder().encode(frames), driving)[1].mean(dim=1)[0]
    assert float(variance[22:30, :4].mean()) < 0.2 * float(variance[int(mouth[1]), int(mouth[0])])


def test_missing_weights_say_how_to_make_them(tmp_path):
    with pytest.raises(WeightsError, match="train_unet"):
        load_denoiser(tmp_path / "unet.safetensors")
