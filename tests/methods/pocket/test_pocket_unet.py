from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("diffusers")

from portraitbench.core.errors import WeightsError
from portraitbench.methods.pocket import train_unet
from portraitbench.methods.pocket.autoencoder import CHANNELS
from portraitbench.methods.pocket.train_unet import TrainConfig, Trainer, rate, run
from portraitbench.methods.pocket.unet import PocketDenoiser, load_denoiser, make_scheduler, sample_latents
from portraitbench.methods.pocket.warped import Batch

QUICK = TrainConfig(steps=4, batch=2, rate=1e-3, every=2)


class Random:
    """Batches of noise, decided by the generator they are drawn with."""

    def draw(self, batch, generator):
        latents = torch.randn(2, batch, CHANNELS, 8, 8, generator=generator)
        return Batch(latents[0], latents[1], torch.randn(batch, 16, generator=generator))


@pytest.fixture(scope="module")
def data():
    return Random()


class Tiny(torch.nn.Module):
    """Stands in for the denoiser where only the bookkeeping around it is tested."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(2 * CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, noisy, t, identity, driving):
        return self.layer(torch.cat([noisy, identity], dim=1)) * (1 + driving.mean() + t.float().mean() / 1000)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(train_unet, "PocketDenoiser", Tiny)


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
    assert "step 1 held-out loss" in capsys.readouterr().out
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
    """An all-zero prediction costs the mean square of diffusers' own v for the same noise and times."""
    trainer = Trainer(QUICK, "cpu")
    batch = data.draw(5, torch.Generator().manual_seed(3))

    def silent(noisy, t, identity, driving):
        return torch.zeros_like(noisy)

    loss = trainer.loss(silent, batch, torch.Generator().manual_seed(4))
    generator = torch.Generator().manual_seed(4)
    t = torch.randint(1000, (5,), generator=generator)
    noise = torch.randn(batch.target.shape, generator=generator)
    velocity = make_scheduler().get_velocity(batch.target, noise, t)
    assert float(loss) == pytest.approx(float(velocity.square().mean()), rel=1e-5)


def test_the_rate_rises_stays_and_falls_to_zero():
    config = TrainConfig(steps=1000, rate=1.0)
    assert rate(config, 0) == pytest.approx(1 / 300)
    assert rate(config, 300) == rate(config, 699) == 1.0
    assert rate(config, 850) == pytest.approx(0.5)
    assert rate(config, 1000) == 0.0


def test_two_processes_average_their_gradients(tiny, data, monkeypatch):
    """With a stand-in for the other process that has the same gradients, the step is that of one process."""
    alone = Trainer(TrainConfig(steps=4, batch=2, processes=1), "cpu")
    shared = Trainer(TrainConfig(steps=4, batch=4, processes=2), "cpu")
    monkeypatch.setattr(train_unet, "seed_for", lambda *names: 7)
    monkeypatch.setattr(train_unet.dist, "all_reduce", lambda flat: flat.mul_(2))
    assert alone.advance(data)[0] == pytest.approx(shared.advance(data)[0])
    for own, other in zip(alone.network.parameters(), shared.network.parameters(), strict=True):
        assert torch.allclose(own, other, atol=1e-7)
    assert shared.advance(data, over=True)[1]


def test_sampling_recovers_latents_that_the_denoiser_knows():
    """With a denoiser that answers the true v of one image, 25 DDIM steps end at that image."""
    scheduler = make_scheduler()
    clean = torch.randn(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(0))

    def oracle(noisy, t, identity, driving):
        alpha = scheduler.alphas_cumprod[t][:, None, None, None]
        noise = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * clean

    noise = torch.randn(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(1))
    seen = []
    done = sample_latents(
        oracle, clean, torch.zeros(1, 16), noise, on_step=lambda index, count, t: seen.append((index, count, int(t)))
    )
    assert torch.allclose(done, clean, atol=1e-3)
    assert seen == [(index, 25, 999 - 40 * index) for index in range(25)]


def test_every_scalar_and_the_identity_change_the_answer():
    torch.manual_seed(0)
    denoiser = PocketDenoiser().eval()
    noisy, identity, driving = torch.randn(1, CHANNELS, 8, 8), torch.randn(1, CHANNELS, 8, 8), torch.randn(1, 16)
    t = torch.tensor([500])
    with torch.no_grad():
        base = denoiser(noisy, t, identity, driving)
        assert base.shape == noisy.shape
        assert not torch.equal(denoiser(noisy, t, identity.flip(3), driving), base)
        for k in range(16):
            other = driving.clone()
            other[0, k] += 1
            assert not torch.equal(denoiser(noisy, t, identity, other), base)


def test_missing_weights_say_how_to_make_them(tmp_path):
    with pytest.raises(WeightsError, match="train_unet"):
        load_denoiser(tmp_path / "unet.safetensors")
