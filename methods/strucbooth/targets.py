"""What a case is tuned towards: its PGT as latents, and the driver's gradients for every patch, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.errors import NoFaceError
from ...datasets.clip import Clip
from ...faces.base import LANDMARKS, DifferentiableEmbedder, Floats
from ...faces.observer import Observer
from ..base import Animation, DiffusionGenerator, Inputs
from .config import StrucBoothConfig
from .gradients import GradientTarget, resample
from .identity_loss import IdentityTarget
from .patches import Patch
from .regions import Box, Growth, carry, region_boxes, snap
from .tensors import as_tensor

_SMALLEST = 3
"""Pixels on each side that a Sobel kernel needs."""


@dataclass(frozen=True, eq=False)
class RegionTrack:
    """A clip and where its face is.

    Attributes:
        frames: RGB in [-1, 1], shape (T, 3, H, W).
        landmarks: Shape (T, 68, 2); NaN where there is no face.
    """

    frames: Tensor
    landmarks: Floats

    @classmethod
    def of_clip(cls, clip: Clip, observer: Observer) -> RegionTrack:
        """Look at a clip."""
        return cls(as_tensor(clip), observer.observe(clip, [LANDMARKS]).landmarks)

    def boxes(self, frame: int, config: StrucBoothConfig) -> dict[str, Box]:
        """Boxes of the regions in one frame, in pixels; none where there is no face."""
        points = self.landmarks[frame]
        if not np.isfinite(points).all():
            return {}
        return region_boxes(points, config.boxes, Growth(config.grow, *config.grow_pixels), max(self.frames.shape[2:]))


@dataclass(frozen=True, eq=False)
class TuningTargets:
    """What one case is tuned towards.

    Attributes:
        frames: Frames of the driving clip that the generator makes, R numbers.
        latents: PGT latents of these frames, shape (R, C, h, w).
        patches: Patches of each of these frames; empty where the PGT or the driver shows no face.
        identity: Target of the identity loss; None when that loss is off.
    """

    frames: list[int]
    latents: Tensor
    patches: list[list[Patch]]
    identity: IdentityTarget | None


def prepare(
    generator: DiffusionGenerator,
    conditions: Any,
    inputs: Inputs,
    config: StrucBoothConfig,
    observer: Observer,
    *,
    embedder: DifferentiableEmbedder | None = None,
    sources: Mapping[str, Clip] | None = None,
    base: Animation | None = None,
) -> TuningTargets:
    """Sample the PGT (eq. 1) unless it is known, look at it, and gather what the losses compare with.

    Args:
        generator: The generator, not tuned.
        conditions: Its conditions for the case.
        inputs: The case.
        config: The settings.
        observer: Finds landmarks.
        embedder: The network of the identity loss; None leaves that out.
        sources: Clips whose gradients guide single regions instead of the driving clip's; a frame beyond the end of a
            clip takes its last one.
        base: The generator's own output for this case and seed; None samples it.

    Raises:
        NoFaceError: When no frame shows a face both in the PGT and in the driver, or the identity image or one of
            ``sources`` shows none.
    """
    frames = list(generator.made_frames(conditions))
    made = base or generator.sample(conditions, seed=inputs.seed)
    clip = Clip(made.clip.frames[frames])
    with torch.no_grad():
        latents = generator.encode(as_tensor(clip)).float()
    if [clip.height, clip.width] != [generator.latent_stride * side for side in latents.shape[2:]]:
        raise ValueError(
            f"generator {generator.name}: its latents do not have a cell for {generator.latent_stride} pixels"
        )
    patches: list[list[Patch]] = [[] for _ in clip]
    if not config.looks_at_faces:
        return TuningTargets(frames, latents, patches, None)
    pgt = RegionTrack.of_clip(clip, observer)
    if config.gradient_weight > 0:
        drivers = {region: (sources or {}).get(region, inputs.driving) for region in config.regions}
        # One track per clip, however many regions it drives.
        tracks = {id(driver): RegionTrack.of_clip(driver, observer) for driver in drivers.values()}
        for region in sources or {}:
            if region in drivers and not np.isfinite(tracks[id(drivers[region])].landmarks).any():
                # Its region would stay as it is, and nobody would know.
                raise NoFaceError(f"the guide of {region} shows no face in any of its frames")
        for region, driver in drivers.items():
            for row, own in enumerate(patches):
                own += _patch(region, (row, frames[row]), pgt, tracks[id(driver)], latents, config)
        if not any(patches):
            raise NoFaceError("no frame shows a face both in the first output and in the driving clip")
    identity = None
    if embedder is not None:
        identity = IdentityTarget.of_case(embedder, inputs.identity, pgt.landmarks, observer, latents.device)
    return TuningTargets(frames, latents, patches, identity)


def _patch(
    region: str, at: tuple[int, int], pgt: RegionTrack, driver: RegionTrack, latents: Tensor, config: StrucBoothConfig
) -> list[Patch]:
    """The region's patch in one frame; none where a face or the region is not to be seen.

    Args:
        region: Name of the region.
        at: Row of the frame in the PGT, and its index in the driving clip.
        pgt: Track of the region in the PGT.
        driver: Track of the region in the clip that it is aligned with.
        latents: PGT latents.
        config: Options of StrucBooth.
    """
    stride = pgt.frames.shape[2] // latents.shape[2]
    own, frame = at[0], min(at[1], len(driver.frames) - 1)
    box, other = pgt.boxes(own, config).get(region), driver.boxes(frame, config).get(region)
    rows, columns = latents.shape[2:]
    cells = snap(box, stride, rows, columns, config.size_multiple) if box else None
    if box is None or other is None or cells is None:
        return []
    snapped = cells.pixels(stride)
    height, width = int(snapped.height), int(snapped.width)
    if min(height, width) < _SMALLEST:
        return []
    patch = resample(driver.frames[frame : frame + 1], carry(box, snapped, other), height, width).to(latents.device)
    return [Patch(region, cells, GradientTarget.of_patch(patch, flat=config.flat, by_norm=config.weighting == "norm"))]
