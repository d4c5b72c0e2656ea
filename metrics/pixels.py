"""Reconstruction quality where the true frame is known: PSNR and SSIM on the face, in two protocols."""

from __future__ import annotations

import numpy as np

from ..core.errors import MediaError
from ..core.options import Options
from ..datasets.clip import Clip, Frame
from ..datasets.manifest import SuiteKind
from ..faces.base import LANDMARKS
from .base import Metric, MetricSpec, Scene, Scores, check_lengths
from .masks import Mask, MaskKind, face_mask, fraction
from .per_frame import target_of
from .ssim import RADIUS, luma, ssim, ssim_map, window_box

CAP_DB = 100.0
"""PSNR of identical frames, which would be infinite, and the largest value that any pair gets."""


def psnr(generated: Frame, target: Frame, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio for a peak of 255, from the mean squared error over R, G and B jointly.

    Args:
        generated: uint8 RGB, shape (H, W, 3).
        target: uint8 RGB, shape (H, W, 3).
        mask: Pixels that count, shape (H, W); None takes all.

    Returns:
        Decibels, at most 100; NaN for an empty mask.

    >>> black, gray = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    >>> round(psnr(black, gray), 4), psnr(gray, gray)
    (13.9794, 100.0)
    """
    difference = generated.astype(np.int32) - target
    if mask is not None:
        difference = difference[mask]
    if difference.size == 0:
        return float("nan")
    error = float(np.square(difference).mean())
    return min(CAP_DB, 10 * float(np.log10(255**2 / error))) if error > 0 else CAP_DB


def blacken(frame: Frame, mask: Mask) -> Frame:
    """Set all pixels outside the mask, shape (H, W), to black."""
    return frame * mask[..., None]


def psnr_black(generated: Frame, target: Frame, mask: Mask) -> float:
    """PSNR over all pixels of frames whose background is blackened; NaN for an empty mask.

    Equals :func:`psnr` inside the mask minus 10 log10(mask fraction), so it rewards small masks.
    """
    return psnr(blacken(generated, mask), blacken(target, mask)) if mask.any() else float("nan")


def ssim_black(generated: Frame, target: Frame, mask: Mask) -> float:
    """SSIM over all windows of frames whose background is blackened; NaN for an empty mask.

    Windows that do not touch the mask are black in both frames and score 1, so only the others are computed.
    """
    height, width = mask.shape
    windows = (height - 2 * RADIUS) * (width - 2 * RADIUS)
    if not mask.any() or min(height, width) <= 2 * RADIUS:
        return float("nan")
    near = window_box(mask, 2 * RADIUS)
    inside = mask[near]
    scores = ssim_map(luma(blacken(generated[near], inside)), luma(blacken(target[near], inside)))
    return float((scores.sum() + windows - scores.size) / windows)


class MaskOptions(Options):
    """Which mask the pixel metrics use."""

    mask: MaskKind = MaskKind.BOX


def check_sizes(generated: Clip, target: Clip) -> None:
    """Refuse frames of unequal size; resampling would change the score.

    Raises:
        MediaError: With both sizes.
    """
    if (generated.width, generated.height) != (target.width, target.height):
        raise MediaError(
            f"the output is {generated.width}x{generated.height} pixels, the target {target.width}x{target.height}: "
            "resize the output first"
        )


_MASK = (
    " The mask comes from the 68 landmarks of the target frame only, so it is the same for every method: box (default) "
    "is their bounding box with the upper side moved up by half its height to take in the forehead, hull is their "
    "convex hull; a pixel belongs to it where its centre lies in it, borders included, and both are cut at the frame's "
    "border. Kind and mean fraction of the frame are reported. Frames whose "
    "target has no face are left out and counted; sizes must agree, nothing is resampled."
)
_PSNR = (
    "10 log10(255^2 / MSE) with the mean squared error over {where} and over R, G and B jointly, on decoded 8-bit RGB. "
    "At most 100 dB, which is also the score of identical frames; how many frames reach it is reported (capped). "
    "Averaged over frames as decibels, then over cases; MSE is never pooled."
)
_SSIM = (
    "SSIM of Wang et al. (IEEE TIP 2004) on unrounded luma (.2989 R + .5870 G + .1140 B): 11x11 Gaussian windows of "
    "sigma 1.5, K1 .01, K2 .03, data range 255, population moments, {where} Averaged over windows, then frames, then "
    "cases."
)
_BLACK = (
    " This is the protocol of StrucBooth (backgrounds masked before the metric): the score grows as the mask shrinks, "
    "so compare numbers of the same masks only; {counterpart} does not have this flaw."
)


def _spec(*, id: str, title: str, unit: str, definition: str, alias: str) -> MetricSpec:
    """What the four metrics have in common."""
    return MetricSpec(
        id=id,
        title=title,
        unit=unit,
        higher_is_better=True,
        level="frame",
        needs=(LANDMARKS,),
        roles=("target",),
        kinds=tuple(SuiteKind),
        definition=definition,
        aliases=(alias,),
    )


class _PixelMetric(Metric):
    """Compares generated and target frames inside the target's face mask."""

    options_model = MaskOptions
    cap: float | None = None

    def compare(self, generated: Frame, target: Frame, mask: Mask) -> float:
        """Score one frame; NaN where the mask leaves nothing to compare."""
        raise NotImplementedError

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        target = target_of(scene)
        generated, truth, seen = scene.generated.clip, target.clip, target.seen
        check_lengths(len(generated), len(truth), "target")
        check_sizes(generated, truth)
        kind = MaskKind(self.options["mask"])
        values = np.full(len(truth), np.nan)
        fractions: list[float] = []
        for row in np.flatnonzero(seen.found & np.isfinite(seen.landmarks).reshape(len(truth), -1).all(axis=1)):
            mask = face_mask(seen.landmarks[row], truth.height, truth.width, kind)
            fractions.append(fraction(mask))
            values[row] = self.compare(generated.frames[row], truth.frames[row], mask)
        detail: dict[str, float | int | str] = {"mask": kind.value}
        if fractions:
            detail["mask_fraction"] = float(np.mean(fractions))
        if self.cap is not None:
            detail["capped"] = int((values >= self.cap).sum())
        return Scores.of_frames(values, seen.found, detail)


class PsnrMask(_PixelMetric):
    """PSNR of the mask's pixels; see :func:`psnr`."""

    cap = CAP_DB
    spec = _spec(
        id="psnr_mask/1",
        title="PSNR on the face",
        unit="dB",
        definition=_PSNR.format(where="the pixels of the face mask")
        + _MASK
        + " Unlike psnr_black it does not depend on the background or on the share of the frame that the mask covers.",
        alias="PSNR",
    )

    def compare(self, generated: Frame, target: Frame, mask: Mask) -> float:
        """PSNR within the mask; see :func:`psnr`."""
        return psnr(generated, target, mask)


class SsimMask(_PixelMetric):
    """SSIM with windows that end at the mask; see :func:`ssim`."""

    spec = _spec(
        id="ssim_mask/1",
        title="SSIM on the face",
        unit="SSIM",
        definition=_SSIM.format(
            where="over the windows centred on a pixel of the face mask at least 5 pixels from the frame's border; a "
            "window's weights are 0 outside the mask and normalised to sum to 1 inside it, so that the background has "
            "no influence. A mask over the whole frame gives Wang's SSIM (scikit-image with gaussian_weights=True, "
            "sigma=1.5, use_sample_covariance=False, data_range=255)."
        )
        + _MASK,
        alias="SSIM",
    )

    def compare(self, generated: Frame, target: Frame, mask: Mask) -> float:
        """SSIM within the mask; see :func:`ssim`."""
        return ssim(generated, target, mask)


class PsnrBlack(_PixelMetric):
    """PSNR of frames with a black background; see :func:`psnr_black`."""

    cap = CAP_DB
    spec = _spec(
        id="psnr_black/1",
        title="PSNR, background black",
        unit="dB",
        definition=_PSNR.format(
            where="all pixels of both frames, after everything outside the face mask is set to black,"
        )
        + _BLACK.format(counterpart="psnr_mask")
        + " It equals psnr_mask - 10 log10(mask fraction)."
        + _MASK,
        alias="PSNR",
    )

    def compare(self, generated: Frame, target: Frame, mask: Mask) -> float:
        """PSNR with the background blackened; see :func:`psnr_black`."""
        return psnr_black(generated, target, mask)


class SsimBlack(_PixelMetric):
    """SSIM of frames with a black background; see :func:`ssim_black`."""

    spec = _spec(
        id="ssim_black/1",
        title="SSIM, background black",
        unit="SSIM",
        definition=_SSIM.format(
            where="over all windows that lie wholly in the frame, after everything outside the face mask is set to "
            "black in both frames."
        )
        + _BLACK.format(counterpart="ssim_mask")
        + _MASK,
        alias="SSIM",
    )

    def compare(self, generated: Frame, target: Frame, mask: Mask) -> float:
        """SSIM with the background blackened; see :func:`ssim_black`."""
        return ssim_black(generated, target, mask)
