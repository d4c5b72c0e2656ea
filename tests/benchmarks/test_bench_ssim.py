"""How fast SSIM is beside scikit-image's, on luma of 512x512 frames. Run with --benchmark-only."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from portraitbench.metrics.ssim import luma, ssim


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (512, 512, 3), np.uint8)
    return np.clip(target + rng.normal(0, 20, target.shape), 0, 255).astype(np.uint8), target


@pytest.mark.benchmark(group="ssim-512")
def test_whole_frame(benchmark, frames):
    assert 0 < benchmark(ssim, *frames) < 1


@pytest.mark.benchmark(group="ssim-512")
def test_face_box(benchmark, frames):
    mask = np.zeros((512, 512), bool)
    mask[100:400, 120:390] = True
    assert 0 < benchmark(ssim, *frames, mask) < 1


@pytest.mark.benchmark(group="ssim-512")
def test_scikit_image(benchmark, frames):
    def score(generated, target):
        return structural_similarity(
            luma(generated),
            luma(target),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )

    assert benchmark(score, *frames) == pytest.approx(ssim(*frames), abs=1e-9)
