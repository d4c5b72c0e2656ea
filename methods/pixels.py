"""From a decoder's answer to pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DivergedError

if TYPE_CHECKING:
    from torch import Tensor


def to_pixels(frames: Tensor, *, truncate: bool = False) -> NDArray[np.uint8]:
    """Bring frames to 8 bit; values beyond the range become its ends.

    Args:
        frames: In [-1, 1], shape (T, 3, H, W), any floating type, on any device.
        truncate: Cut the fraction off, as some reference implementations do, which darkens by half a level on the
            mean; otherwise the nearest level is taken.

    Returns:
        RGB, shape (T, H, W, 3).

    Raises:
        DivergedError: When a number is not finite: as a pixel it would be a plausible black.
    """
    import torch

    whole = frames.detach().float()
    finite = whole.isfinite().flatten(1).all(1)
    if not finite.all():
        bad = int((~finite).nonzero()[0])
        raise DivergedError(f"the decoder's frame {bad} of {len(whole)} has values that are not finite")
    levels = (whole.clamp(-1, 1) + 1) * 127.5
    pixels = (levels if truncate else levels.round()).to(torch.uint8).permute(0, 2, 3, 1)
    return np.ascontiguousarray(pixels.cpu().numpy())
