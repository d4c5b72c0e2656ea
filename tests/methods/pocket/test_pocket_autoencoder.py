from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from portraitbench.core.digest import file_sha256
from portraitbench.core.errors import WeightsError
from portraitbench.methods.pocket.autoencoder import CHANNELS, STRIDE, WEIGHTS, PocketAutoencoder, load_autoencoder
from portraitbench.methods.pocket.training.train_autoencoder import sobel, to_tensor

SHA256 = "b98f693be4e8c3dae64cdd654bdeb80abb9b9659df6750845b53ecbfe3044f20"


@pytest.fixture(scope="module")
def autoencoder():
    return load_autoencoder()


@pytest.fixture(scope="module")
def frames(shipped):
    return to_tensor(shipped[0])


def psnr(error):
    return -10 * math.log10(float(error))


def test_the_weights_are_the_ones_of_the_model_card():
    assert file_sha256(WEIGHTS) == SHA256
    assert SHA256 in (WEIGHTS.parent / "MODEL_CARD.md").read_text()
    assert WEIGHTS.stat().st_size < 2_000_000


def test_people_never_trained_on_come_back(autoencoder, frames, shipped):
    with torch.no_grad():
        latents = autoencoder.encode(frames)
        error = (autoencoder.decode(latents).clamp(-1, 1) - frames).div(2).square().mean(dim=1).numpy()
    assert latents.shape == (8, CHANNELS, 32, 32)
    assert psnr(error.mean()) > 35
    for points in (range(36, 42), range(42, 48), range(48, 68)):
        parts = []
        for own, marks in zip(error, shipped[1], strict=True):
            low, high = np.floor(marks[list(points)].min(axis=0)).astype(int), np.ceil(marks[list(points)].max(axis=0))
            x1, y1 = high.astype(int) + 6
            parts.append(own[low[1] - 5 : y1, low[0] - 5 : x1].mean())
        assert psnr(np.mean(parts)) > 32


def test_latents_are_standardised(autoencoder, frames):
    with torch.no_grad():
        latents = autoencoder.encode(frames)
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 0.5
    assert (latents.std(dim=(0, 2, 3)) - 1).abs().max() < 0.4


def test_a_patch_decoded_with_a_halo_equals_the_window_of_the_full_decode(autoencoder, frames):
    with torch.no_grad():
        latents = autoencoder.encode(frames[:1])
        full = autoencoder.decode(latents)[..., 40:80, 40:80]
        patch = autoencoder.decode(latents[..., 2:28, 2:28])[..., 32:72, 32:72]  # 8 cells of halo
        bare = autoencoder.decode(latents[..., 10:20, 10:20])
    assert torch.allclose(patch, full, atol=1e-4)
    assert (bare - full).abs().max() > 1e-3


def test_gradients_reach_latents_and_pixels(autoencoder, frames):
    pixels = frames[:1].clone().requires_grad_()
    latents = autoencoder.encode(pixels)
    (slope,) = torch.autograd.grad(autoencoder.decode(latents).square().sum(), pixels)
    assert torch.isfinite(slope).all()
    assert (slope != 0).float().mean() > 0.99


def test_the_start_is_the_principal_components(frames):
    """The linear start loses as much as numpy's truncated SVD of the patches."""
    network = PocketAutoencoder()
    network.start_from_components(frames)
    with torch.no_grad():
        latents = network.encode_raw(frames)
        error = (network.decode_raw(latents) - frames).square().mean()
    patches = torch.nn.functional.pixel_unshuffle(frames, STRIDE).permute(0, 2, 3, 1).reshape(-1, 48).double().numpy()
    values = np.linalg.svd(patches - patches.mean(axis=0), compute_uv=False)
    assert float(error) == pytest.approx((values[CHANNELS:] ** 2).sum() / patches.size, rel=1e-3)
    assert latents.std(dim=(0, 2, 3)).numpy() == pytest.approx(np.ones(CHANNELS), abs=1e-3)


def test_sobel_agrees_with_scipy():
    from scipy.ndimage import sobel as reference

    picture = np.random.default_rng(0).normal(size=(12, 12))
    ours = sobel(torch.from_numpy(picture).float().expand(1, 3, 12, 12))[0, :2].numpy()
    for axis, own in ((1, ours[0]), (0, ours[1])):
        assert own == pytest.approx(reference(picture, axis=axis)[1:-1, 1:-1] / 4, abs=1e-5)


def test_damaged_and_foreign_weights_are_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "autoencoder.safetensors"
    with pytest.raises(WeightsError, match="missing"):
        load_autoencoder(path)
    path.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        load_autoencoder(path)
    save_file({"other": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="another model"):
        load_autoencoder(path)
