"""What the pictures of reports have in common: colours, type, and frames fitted into cells."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFont, ImageOps

from ..datasets.clip import Frame

GAP = 4
BACKGROUND = (255, 255, 255)
INK = (32, 32, 32)


def fitted(frame: Frame, side: int) -> Image.Image:
    """A frame scaled to fill a square cell as far as its shape allows, in the cell's middle.

    Args:
        frame: uint8 RGB, shape (H, W, 3).
        side: Side of the cell, in pixels.
    """
    picture = ImageOps.contain(Image.fromarray(np.asarray(frame)), (side, side), Image.Resampling.LANCZOS)
    if picture.size == (side, side):
        return picture
    cell = Image.new("RGB", (side, side), BACKGROUND)
    cell.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return cell


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The one typeface, which Pillow brings along."""
    return ImageFont.load_default(size)


def shortened(text: str, size: int, width: int) -> str:
    """A text cut with an ellipsis so that it fits.

    Args:
        text: Text of one line.
        size: Font size.
        width: Available width, in pixels.
    """
    if font(size).getlength(text) <= width:
        return text
    kept = next(count for count in range(len(text), -1, -1) if font(size).getlength(text[:count] + "…") <= width)
    return text[:kept] + "…"
