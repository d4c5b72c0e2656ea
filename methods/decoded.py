"""What a decoder answers, as frames of a clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import DivergedError


def as_bytes(frames: Tensor, *, truncate: bool = False) -> NDArray[np.uint8]:
    """Turn decoded frames into pixels.

    Args:
        frames: In [-1, 1], anything beyond is cut off, shape (T, 3, H, W).
        truncate: Drop what lies behind the point instead of rounding.

    Returns:
        RGB, shape (T, H, W, 3).

    Raises:
        DivergedError: When a number is not finite: it would become some pixel or other.
    """
    if not bool(frames.isfinite().all()):
        raise DivergedError("the decoder answers with numbers that are not finite: try another precision")
    pixels = (frames.clamp(-1, 1) + 1) * 127.5
    whole: NDArray[np.uint8] = (pixels if truncate else pixels.round()).byte().permute(0, 2, 3, 1).cpu().numpy()
    return whole
