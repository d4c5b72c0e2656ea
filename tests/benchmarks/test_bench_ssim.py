"""How fast SSIM and PSNR are beside scikit-image's, for frames and clips of 512x512. Run with --benchmark-only."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from portraitbench.metrics.pixels import psnr
from portraitbench.metrics.ssim import C1, C2, RADIUS, gaussian_window, luma, ssim


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


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(1)
    target = rng.integers(0, 256, (8, 512, 512, 3), np.uint8)
    return np.clip(target + rng.normal(0, 20, target.shape), 0, 255).astype(np.uint8), target


def frame_by_frame(generated, target):
    return [(psnr(one, other), ssim(one, other)) for one, other in zip(generated, target, strict=True)]


@pytest.mark.benchmark(group="psnr-and-ssim-of-8-frames")
def test_clip_frame_by_frame(benchmark, clips):
    assert len(benchmark(frame_by_frame, *clips)) == 8


@pytest.mark.benchmark(group="psnr-and-ssim-of-8-frames")
def test_clip_by_scikit_image(benchmark, clips):
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}

    def score(generated, target):
        return [
            (
                peak_signal_noise_ratio(other, one, data_range=255),
                structural_similarity(luma(one), luma(other), **settings),
            )
            for one, other in zip(generated, target, strict=True)
        ]

    assert np.allclose(benchmark(score, *clips), frame_by_frame(*clips), rtol=0, atol=1e-9)


@pytest.mark.benchmark(group="psnr-and-ssim-of-8-frames")
def test_clip_at_once(benchmark, clips):
    """Why metrics go frame by frame: a whole clip at once is no faster, and takes its length times the memory."""

    def sums(images):
        weights = gaussian_window()
        rows = correlate1d(images, weights, axis=1)[:, RADIUS:-RADIUS]
        return correlate1d(rows, weights, axis=2)[:, :, RADIUS:-RADIUS]

    def score(generated, target):
        error = np.square(generated.astype(np.int32) - target).mean(axis=(1, 2, 3))
        x, y = luma(generated), luma(target)
        mean_x, mean_y = sums(x), sums(y)
        product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
        variances, covariance = sums(x**2 + y**2) - squares, sums(x * y) - product
        ratio = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
        return np.stack([10 * np.log10(255**2 / error), ratio.mean(axis=(1, 2))], axis=1)

    assert np.allclose(benchmark(score, *clips), frame_by_frame(*clips), rtol=0, atol=1e-9)
