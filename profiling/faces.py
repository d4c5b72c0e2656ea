"""The face that ``bench profile`` tunes: renders of the embedded suite at any size, their landmarks and six patches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..datasets.catalog import POCKET_IMAGE
from ..datasets.clip import Clip
from ..datasets.images import read_image
from ..faces.base import Floats
from ..faces.networks.pocket import load_pocket_face
from ..methods.strucbooth.gradients import GradientTarget, resample
from ..methods.strucbooth.patches import Patch
from ..methods.strucbooth.regions import Box, BoxKind, Growth, carry, region_boxes, snap
from ..methods.strucbooth.tensors import as_tensor

FLAT = 1e-2
"""StrucBooth's default: driving pixels with a smaller gradient have no direction."""

_OUTPUT, _DRIVER = "pii1-as-pid1.png", "pid1.png"
"""Renders of the embedded suite: the ideal output of its first case, and that case's driver."""

SOURCE = f"embedded face network on {_OUTPUT} and {_DRIVER} of the suite pocket-image; anchored boxes"
"""Where landmarks and patches come from."""


def face_render(size: int) -> Tensor:
    """The output's render in [-1, 1], shape (1, 3, size, size)."""
    return _resized(_render(_OUTPUT), size)


def face_landmarks(size: int) -> Floats:
    """Landmarks of the output and of its driver in frames of ``size`` pixels, shape (2, 68, 2)."""
    frames = torch.cat([_render(name) for name in (_OUTPUT, _DRIVER)])
    with torch.no_grad():
        points: Floats = load_pocket_face()(frames).landmarks.double().numpy()
    # Landmarks have pixel centres at integers; edges, which scale, are half a pixel further.
    scaled: Floats = (points + 0.5) * size / frames.shape[-1] - 0.5
    return scaled


def face_patches(size: int, stride: int, device: torch.device) -> list[Patch]:
    """The six regions of a rendered face at any frame size, and the gradients of its driver."""
    own, driving = (region_boxes(each, BoxKind.ANCHORED, Growth(), size) for each in face_landmarks(size))
    driver = _resized(_render(_DRIVER), size)
    patches = [_patch(name, box, driving[name], driver, stride) for name, box in own.items()]
    return [
        Patch(
            patch.region, patch.cells, GradientTarget(patch.guide.gradients.to(device), patch.guide.weights.to(device))
        )
        for patch in patches
    ]


def _patch(region: str, box: Box, other: Box, driver: Tensor, stride: int) -> Patch:
    size = driver.shape[-1]
    cells = snap(box, stride, size // stride, size // stride)
    if cells is None:
        raise ValueError(f"the region {region} lies outside the render")
    snapped = cells.pixels(stride)
    pixels = resample(driver, carry(box, snapped, other), int(snapped.height), int(snapped.width))
    return Patch(region, cells, GradientTarget.of_patch(pixels, flat=FLAT, by_norm=False))


def _render(name: str) -> Tensor:
    frame = read_image(POCKET_IMAGE.parent / "pocket" / name)
    return as_tensor(Clip(np.asarray(frame)[None]))


def _resized(frame: Tensor, size: int) -> Tensor:
    resized = F.interpolate(frame, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(-1, 1)
