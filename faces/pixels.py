"""Resizing of frames as OpenCV does it, without OpenCV."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..datasets.clip import Frame


def resize_bilinear(frame: Frame, height: int, width: int) -> Tensor:
    """Resize a frame by the four nearest pixels, however much it shrinks: ``cv2.resize`` as it is called plainly.

    OpenCV mixes in fixed point, so that some pixels differ by one.

    Args:
        frame: uint8 RGB, shape (H, W, 3).
        height: Height of the result, in pixels.
        width: Width of the result, in pixels.

    Returns:
        Whole numbers in [0, 255], float32, shape (3, height, width).
    """
    pixels = torch.tensor(frame).permute(2, 0, 1)[None].float()
    return F.interpolate(pixels, (height, width), mode="bilinear", align_corners=False)[0].round()
