"""Sharpness of the regions that carry expression, so that a blurred face cannot pass for one with an expression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import laplace

from ..datasets.clip import Frame
from ..datasets.manifest import SuiteKind
from ..faces.base import LANDMARKS, Floats
from .base import Metric, MetricSpec, Scene, Scores
from .per_frame import mean_detail
from .ssim import luma

REGIONS: dict[str, slice] = {"left_eye": slice(36, 42), "right_eye": slice(42, 48), "mouth": slice(48, 68)}
"""Landmarks of each region, viewer's left first."""
GROWTH = 0.25
"""Growth of a region's box on each side, as a share of its longer side."""
LEAST = 1e-6
"""Added to both energies, so that two flat regions are equally sharp."""


def detail_energy(frame: Frame, points: Floats) -> float:
    """Mean squared Laplacian of a region's luma.

    Args:
        frame: uint8 RGB, shape (H, W, 3).
        points: The region's landmarks, shape (K, 2).

    Returns:
        The energy in squared gray levels; NaN where the box has no size or lies outside the frame.
    """
    if not np.isfinite(points).all():
        return float("nan")
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, (0.5 + GROWTH) * float((high - low).max())
    height, width = frame.shape[:2]
    x0, y0 = np.floor(middle - half).astype(int)
    x1, y1 = np.ceil(middle + half).astype(int) + 1
    box = luma(frame[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)])
    if min(box.shape) < 3:
        return float("nan")
    return float(np.square(laplace(box)[1:-1, 1:-1]).mean())


def region_energies(frames: Sequence[Frame], points: Floats) -> Floats:
    """Energies of all regions of frames with landmarks (T, 68, 2), shape (T, 3)."""
    rows = [
        [detail_energy(frame, own[part]) for part in REGIONS.values()]
        for frame, own in zip(frames, points, strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, len(REGIONS))


class SharpnessRatio(Metric):
    """Detail of eyes and mouth against the identity image's; see :func:`detail_energy`."""

    spec = MetricSpec(
        id="sharpness_ratio/1",
        title="Sharpness of eyes and mouth",
        unit="ratio, at most 1",
        higher_is_better=True,
        level="frame",
        needs=(LANDMARKS,),
        roles=("identity",),
        kinds=tuple(SuiteKind),
        definition=(
            "For each of left eye, right eye and mouth (landmarks 36-41, 42-47, 48-67, from 0) a square is laid on "
            f"the middle of the landmarks' bounding box, {1 + 2 * GROWTH:g} times its longer side, in each picture "
            "its own; it takes the pixels from the floor of its lower to the ceiling of its upper side, both "
            "included, cut at the frame. Left and right are the picture's. Its energy is the mean square of the "
            "5-point Laplacian of the unrounded luma (.2989 R + .5870 G + .1140 B), border pixels of the square left "
            "out, plus 1e-6. With r the energy in the generated frame over the energy in the identity image, the "
            "score is the geometric mean over the regions of min(r, 1/r): 1 where the output has as much detail as "
            "the identity image, near 0 where it is blurred, and also where noise or ringing adds detail. The means "
            "of r itself per region (ratio_left_eye, ...) are recorded and tell blur (below 1) from noise (above 1). "
            "Frames without a face and cases whose identity image has none are left out and counted. Both pictures "
            "have the suite's size; a face that is larger in one of them has less detail per pixel there, and a "
            "mouth that opens shows teeth: a guard against blur, not a measure of quality."
        ),
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, identity = scene.generated, scene.identity
        found = generated.seen.found & identity.seen.found[0]
        reference = region_energies(list(identity.clip)[:1], identity.seen.landmarks[:1]) if found.any() else None
        ratios = np.full((len(found), len(REGIONS)), np.nan)
        if reference is not None:
            frames = [frame for frame, ok in zip(generated.clip, found, strict=True) if ok]
            energies = region_energies(frames, generated.seen.landmarks[found])
            ratios[found] = (energies + LEAST) / (reference + LEAST)
        values = np.exp(-np.abs(np.log(ratios)).mean(axis=1))
        detail = mean_detail({f"ratio_{name}": ratios[:, column] for column, name in enumerate(REGIONS)})
        return Scores.of_frames(values, found, detail)
