"""The two crops EmoNet's authors use: one in their evaluation, another in their video demo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...datasets.clip import Frame
from ..alignment import warp_face
from ..base import Floats

SIZE = 256
"""Side of the crops."""


def affectnet_crop(frame: Frame, landmarks: Floats) -> NDArray[np.float32] | None:
    """The square that EmoNet's evaluation on AffectNet shows: side 200 (w + h) / 220 around the landmarks' box.

    Args:
        frame: uint8 RGB, shape (H, W, 3).
        landmarks: Shape (68, 2).

    Returns:
        RGB in [0, 255], shape (256, 256, 3), black outside the frame; None when the landmarks have no extent.
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    side = 200.0 * float((high - low).sum()) / 220.0
    if not side > 0:
        return None
    scale = SIZE / side
    matrix = np.diag([scale, scale, 1.0])
    matrix[:2, 2] = SIZE / 2 - scale * (low + high) / 2
    return warp_face(frame, matrix, SIZE).astype(np.float32)


def box_crop(frame: Frame, box: Floats) -> NDArray[np.float32] | None:
    """The detector's box, whole pixels inside the frame, stretched to a square.

    Args:
        frame: uint8 RGB, shape (H, W, 3).
        box: x0, y0, x1, y1.

    Returns:
        RGB in [0, 255], shape (256, 256, 3), bilinear; None when nothing of the box is inside the frame.
    """
    import torch
    from torch.nn import functional as F

    height, width = frame.shape[:2]
    x0, y0, x1, y1 = np.clip(np.trunc(box), 0, [width, height, width, height]).astype(int)
    if x1 <= x0 or y1 <= y0:
        return None
    patch = torch.from_numpy(frame[y0:y1, x0:x1].astype(np.float32)).permute(2, 0, 1)[None]
    resized = F.interpolate(patch, (SIZE, SIZE), mode="bilinear", align_corners=False)
    crop: NDArray[np.float32] = resized[0].permute(1, 2, 0).numpy()
    return crop
