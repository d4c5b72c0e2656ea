"""The face model beside the checkout, and renders that are shipped for where it is absent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from portraitbench.methods.pocket.training.facekit import load_facekit

RENDERS = Path(__file__).with_name("renders")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def kit(shared):
    pytest.importorskip("numba")
    return load_facekit(shared / "facekit" / "ict_facekit.npz")


@pytest.fixture(scope="session")
def shipped():
    """Eight renders of four people never trained on, and the true landmarks: arrays (8, 128, 128, 3) and (8, 68, 2)."""
    marks = json.loads((RENDERS / "landmarks.json").read_text())
    frames = np.stack([np.asarray(Image.open(RENDERS / name).convert("RGB")) for name in sorted(marks)])
    return frames, np.array([marks[name] for name in sorted(marks)])


@pytest.fixture
def tiny(monkeypatch):
    """A convolution in the denoiser's place, where only the bookkeeping around a training is tested."""
    pytest.importorskip("diffusers")
    from portraitbench.methods.pocket.autoencoder import CHANNELS
    from portraitbench.methods.pocket.sampling import make_scheduler
    from portraitbench.methods.pocket.training import trainer
    from portraitbench.methods.pocket.unet import PocketDenoiser

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(2 * CHANNELS, CHANNELS, 3, padding=1)
            self.register_buffer("alphas", make_scheduler().alphas_cumprod, persistent=False)

        weight = PocketDenoiser.weight

        def forward(self, noisy, t, given):
            scale = 1 + given.driving.mean() + t.float().mean() / 1000
            return self.layer(torch.cat([noisy, given.identity], dim=1)) * scale

    monkeypatch.setattr(trainer, "PocketDenoiser", Tiny)
