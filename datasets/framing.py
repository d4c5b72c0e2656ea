"""From a stored picture to the suite's square canvas: the same framing for every generator and every metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..core.errors import ManifestError
from .clip import Clip, Frame
from .manifest import Crop, Suite, Window
from .media import Limits, iter_window, read_fps


def frame_window(suite: Suite, window: Window, path: Path, limits: Limits | None = None) -> Clip:
    """Read a window's frames, cut out its square and bring it to the suite's canvas.

    Frames are framed one by one as they are decoded, so that a large clip never stands in memory at full size.

    Args:
        suite: Gives the canvas size.
        window: Frames and crop; without a crop the largest centred square is taken.
        path: The asset's file.
        limits: Bounds on the file.

    Returns:
        A clip of ``suite.size`` x ``suite.size`` pixels.

    Raises:
        ManifestError: When the crop leaves the picture; names the asset and both sizes.
        MediaError: When the file cannot be decoded or has too few frames.
    """
    framed = [
        frame_square(frame, _crop_for(window, frame), suite.size)
        for frame in iter_window(path, window.start, window.frames, limits)
    ]
    return Clip(np.stack(framed), read_fps(path, limits))


def frame_square(frame: Frame, crop: Crop, size: int) -> Frame:
    """Cut a square out of a frame and resize it with Pillow's antialiased Lanczos filter.

    Args:
        frame: uint8 RGB, shape (H, W, 3).
        crop: A square inside the frame.
        size: Side of the result; where the crop has that side already, its pixels stay as they are.

    Returns:
        uint8 RGB, shape (size, size, 3).
    """
    if crop.side == size:
        return frame[crop.y : crop.y + size, crop.x : crop.x + size]
    box = (crop.x, crop.y, crop.x + crop.side, crop.y + crop.side)
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.LANCZOS, box=box))


def largest_square(width: int, height: int) -> Crop:
    """The largest centred square of a picture.

    Small pictures are refused by :class:`Crop` itself, which wants a side of 8 pixels or more.
    """
    side = min(width, height)
    return Crop(x=(width - side) // 2, y=(height - side) // 2, side=side)


def _crop_for(window: Window, frame: Frame) -> Crop:
    height, width = frame.shape[:2]
    crop = window.crop
    if crop is None:
        if min(width, height) < 8:
            raise ManifestError(f"asset {window.asset}: {width} x {height} pixels is too small to crop: replace it")
        return largest_square(width, height)
    if crop.x + crop.side > width or crop.y + crop.side > height:
        raise ManifestError(
            f"asset {window.asset}: crop of {crop.side} pixels at ({crop.x}, {crop.y}) leaves the picture of "
            f"{width} x {height}: correct the crop in the manifest"
        )
    return crop
