"""Structural similarity (Wang et al., "Image quality assessment", IEEE TIP 2004), with windows that end at a mask."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

from ..datasets.clip import Frame
from ..faces.base import Floats
from .masks import Mask

RADIUS = 5
"""Windows are 11 x 11 pixels."""
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
LUMA = np.array([0.2989, 0.5870, 0.1140])


def luma(frame: Frame) -> Floats:
    """Weigh R, G, B by .2989, .5870, .1140, without rounding: uint8 (H, W, 3) to float64 (H, W)."""
    gray: Floats = frame.astype(np.float64) @ LUMA
    return gray


def gaussian_window() -> Floats:
    """The window along one axis: 11 weights of a Gaussian with sigma 1.5 that sum to 1."""
    bell = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weights: Floats = bell / bell.sum()
    return weights


def ssim(generated: Frame, target: Frame, mask: Mask | None = None) -> float:
    """Mean SSIM of the luma of two frames, over all pixels or inside a mask.

    Each window's weights are zero outside the mask and normalised to sum to 1 inside it, so that nothing outside the
    mask has any influence. As in Wang's reference only windows that lie wholly in the frame count: the mean is over
    mask pixels at least 5 pixels from the frame's border. With the mask all true this is Wang's SSIM (K1 .01, K2 .03,
    L 255, population moments).

    Args:
        generated: uint8 RGB, shape (H, W, 3).
        target: uint8 RGB, shape (H, W, 3).
        mask: Shape (H, W); None takes the whole frame.

    Returns:
        A value in [-1, 1]; NaN when no mask pixel is far enough from the border.

    >>> frame = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    >>> ssim(frame, frame)
    1.0
    """
    if mask is None:
        scores = ssim_map(luma(generated), luma(target))
        return float(scores.mean()) if scores.size else float("nan")
    # Only windows centred in the mask count, so the rest of the frame need not be filtered.
    crop = window_box(mask, RADIUS)
    inside = mask[crop][RADIUS:-RADIUS, RADIUS:-RADIUS]
    if not inside.any():
        return float("nan")
    return float(ssim_map(luma(generated[crop]), luma(target[crop]), mask[crop])[inside].mean())


def window_box(mask: Mask, margin: int) -> tuple[slice, slice]:
    """The mask's bounding box grown by a margin on each side and cut at the frame's border.

    A margin of :data:`RADIUS` holds every window that is centred in the mask, twice that every window that touches it.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return slice(0), slice(0)
    top, left = (max(int(index.min()) - margin, 0) for index in (rows, columns))
    return slice(top, int(rows.max()) + margin + 1), slice(left, int(columns.max()) + margin + 1)


def ssim_map(x: Floats, y: Floats, mask: Mask | None = None) -> Floats:
    """SSIM of each window that lies wholly in the images: luma (H, W) to (H - 10, W - 10).

    With a mask, windows end at it; those without a pixel of it give NaN.
    """
    total: Floats | float = 1.0
    if mask is not None:
        x, y, total = x * mask, y * mask, _window_sums(mask.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):  # windows without a mask pixel: not used by the caller
        mean_x, mean_y = _window_sums(x) / total, _window_sums(y) / total
        mean_product = mean_x * mean_y
        mean_squares = mean_x**2 + mean_y**2
        # The formula uses the two variances only as a sum, which saves one of five filters.
        variances = _window_sums(x**2 + y**2) / total - mean_squares
        covariance = _window_sums(x * y) / total - mean_product
    ratio: Floats = (2 * mean_product + C1) * (2 * covariance + C2)
    return ratio / ((mean_squares + C1) * (variances + C2))


def _window_sums(image: Floats) -> Floats:
    """Gaussian-weighted sums over the windows that lie wholly in the image."""
    weights = gaussian_window()
    rows = correlate1d(image, weights, axis=0)[RADIUS:-RADIUS]
    sums: Floats = correlate1d(rows, weights, axis=1)[:, RADIUS:-RADIUS]
    return sums
