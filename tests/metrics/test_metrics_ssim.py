"""SSIM against scikit-image and against a loop over windows written from the paper's formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from portraitbench.metrics.ssim import luma, ssim

WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}


def textured(seed, shape):
    noise = np.random.default_rng(seed).normal(size=(*shape, 3))
    smooth = gaussian_filter(noise, (2, 2, 0))
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def damaged(frame, kind):
    if kind == "noise":
        return np.clip(frame + np.random.default_rng(9).normal(0, 25, frame.shape), 0, 255).astype(np.uint8)
    if kind == "blur":
        return gaussian_filter(frame, (3, 3, 0))
    return {"dark": frame // 3, "inverse": 255 - frame, "other": textured(99, frame.shape[:2])}[kind]


def loop_ssim(generated, target, mask):
    """Mean SSIM over mask pixels, one window at a time (Wang et al. 2004, eq. 13-16, weights renormalised)."""
    x, y = luma(generated), luma(target)
    offsets = np.arange(-5, 6)
    bell = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    values = []
    for row in range(5, mask.shape[0] - 5):
        for column in range(5, mask.shape[1] - 5):
            if not mask[row, column]:
                continue
            window = np.s_[row - 5 : row + 6, column - 5 : column + 6]
            w = bell * mask[window] / (bell * mask[window]).sum()
            mx, my = (w * x[window]).sum(), (w * y[window]).sum()
            vx, vy = (w * (x[window] - mx) ** 2).sum(), (w * (y[window] - my) ** 2).sum()
            cov = (w * (x[window] - mx) * (y[window] - my)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            values.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return np.mean(values)


def test_luma_is_not_rounded():
    frame = np.array([[[255, 0, 0], [1, 2, 3]]], np.uint8)
    assert luma(frame) == pytest.approx(np.array([[76.2195, 0.2989 + 1.174 + 0.342]]), abs=1e-12)


@pytest.mark.parametrize("kind", ["noise", "blur", "dark", "inverse", "other"])
@pytest.mark.parametrize("shape", [(64, 64), (47, 90), (11, 12)])
def test_the_whole_frame_is_scikit_images(kind, shape):
    target = textured(1, shape)
    generated = damaged(target, kind)
    expected = structural_similarity(luma(generated), luma(target), **WANG)
    assert ssim(generated, target) == pytest.approx(expected, abs=1e-9)
    assert ssim(generated, target, np.ones(shape, bool)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", ["noise", "dark", "other"])
@pytest.mark.parametrize("mask_kind", ["box", "ragged", "border", "point"])
def test_the_mask_is_the_loop(kind, mask_kind):
    target = textured(2, (36, 30))
    generated = damaged(target, kind)
    mask = np.zeros((36, 30), bool)
    if mask_kind == "box":
        mask[9:27, 8:20] = True
    elif mask_kind == "ragged":
        mask = np.random.default_rng(3).random((36, 30)) < 0.4
    elif mask_kind == "border":
        mask[:15, 18:] = True
    else:
        mask[14, 15] = True
    assert ssim(generated, target, mask) == pytest.approx(loop_ssim(generated, target, mask), abs=1e-9)


@pytest.mark.parametrize("mask_kind", ["empty", "only border"])
def test_no_window_no_value(mask_kind):
    frame = textured(4, (30, 30))
    mask = np.zeros((30, 30), bool)
    mask[:5] = mask_kind == "only border"
    assert np.isnan(ssim(frame, frame, mask))


def test_a_frame_smaller_than_a_window_has_no_value():
    frame = textured(4, (10, 30))
    assert np.isnan(ssim(frame, frame))
    assert np.isnan(ssim(frame, frame, np.ones((10, 30), bool)))
