"""How fast the tuner's pixel work is beside SciPy's and torch's own. Run with --benchmark-only."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from portraitbench.methods.strucbooth.gradients import (
    GRAY,
    GradientTarget,
    gradient_loss,
    resample,
    structural_gradients,
)
from portraitbench.methods.strucbooth.regions import Box

EPS = 1e-2


@pytest.fixture(scope="module")
def patches():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 1, 3, 128, 128, generator=generator) * 2 - 1


def with_backward(loss, patch):
    leaf = patch.clone().requires_grad_()
    loss(leaf).backward()
    return leaf.grad


@pytest.mark.benchmark(group="sobel-loss-128")
def test_sobel_loss(benchmark, patches):
    guide = GradientTarget.of_patch(patches[1], flat=0.0, by_norm=False)
    gradient = benchmark(with_backward, lambda patch: gradient_loss(patch, guide, EPS), patches[0])
    assert gradient.abs().max() > 0


@pytest.mark.benchmark(group="sobel-loss-128")
def test_sobel_loss_by_torchs_cosine(benchmark, patches):
    target = structural_gradients(patches[1])

    def loss(patch):
        return (1 - F.cosine_similarity(structural_gradients(patch), target, dim=1)).mean()

    gradient = benchmark(with_backward, loss, patches[0])
    guide = GradientTarget.of_patch(patches[1], flat=0.0, by_norm=False)
    own = with_backward(lambda patch: gradient_loss(patch, guide, 1e-6), patches[0])
    torch.testing.assert_close(gradient, own, rtol=1e-3, atol=1e-6)


@pytest.mark.benchmark(group="sobel-128")
def test_sobel(benchmark, patches):
    assert benchmark(structural_gradients, patches[0]).shape == (1, 2, 126, 126)


@pytest.mark.benchmark(group="sobel-128")
def test_sobel_by_scipy(benchmark, patches):
    frame = patches[0, 0].numpy()

    def both():
        luminance = np.tensordot(np.array(GRAY, np.float32), frame, 1)
        return np.stack([ndimage.sobel(luminance, axis)[1:-1, 1:-1] for axis in (1, 0)])

    found = benchmark(both)
    np.testing.assert_allclose(structural_gradients(patches[0])[0].numpy(), found, atol=1e-5)


BOX = Box(100, 140, 292, 332)
"""192 pixels, whole ones: a patch that is cut to its own size, and one that is halved."""


@pytest.fixture(scope="module")
def frame():
    return torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(1))


@pytest.mark.benchmark(group="patch-crop-192-to-96")
def test_crop(benchmark, frame):
    assert benchmark(resample, frame, BOX, 96, 96).shape == (1, 3, 96, 96)


@pytest.mark.benchmark(group="patch-crop-192-to-96")
def test_crop_by_slice_and_interpolate(benchmark, frame):
    def cut():
        return F.interpolate(frame[:, :, 140:332, 100:292], (96, 96), mode="area")

    torch.testing.assert_close(benchmark(cut), resample(frame, BOX, 96, 96), atol=1e-4, rtol=0)
