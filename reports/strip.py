"""One case side by side: identity, driving, region clips, and what was made of them."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from ..datasets.clip import Clip
from .picture_style import BACKGROUND, GAP, INK, fitted, font, shortened

FRAMES = 6
LARGEST, SMALLEST = 256, 96
LABELS = 150
LINE = 22
TYPE = 13


def draw_strip(parts: Sequence[tuple[str, Clip]], frames: int) -> Image.Image:
    """Draw clips that belong together.

    Args:
        parts: Labels and clips. Stills among clips are shown once; a clip that is too short holds its last frame.
        frames: Length of the result. One frame gives one row of pictures, more give a row per clip.

    Returns:
        An RGB picture; cells are as large as the frames, within limits.
    """
    side = max(SMALLEST, min(LARGEST, max(max(clip.height, clip.width) for _, clip in parts)))
    if frames == 1:
        return _row_of_stills(parts, side)
    count = min(FRAMES, frames)
    return _rows_of_clips(parts, [round(index * (frames - 1) / (count - 1)) for index in range(count)], side)


def _row_of_stills(parts: Sequence[tuple[str, Clip]], side: int) -> Image.Image:
    strip = Image.new("RGB", (GAP + len(parts) * (side + GAP), LINE + side + GAP), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for column, (label, clip) in enumerate(parts):
        left = GAP + column * (side + GAP)
        draw.text((left, 3), shortened(label, TYPE, side), INK, font(TYPE))
        strip.paste(fitted(clip.frames[0], side), (left, LINE))
    return strip


def _rows_of_clips(parts: Sequence[tuple[str, Clip]], shown: Sequence[int], side: int) -> Image.Image:
    width, height = LABELS + len(shown) * (side + GAP), LINE + len(parts) * (side + GAP)
    strip = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for column, number in enumerate(shown):
        draw.text((LABELS + column * (side + GAP), 3), f"frame {number}", INK, font(TYPE))
    for row, (label, clip) in enumerate(parts):
        top = LINE + row * (side + GAP)
        text = shortened(label, TYPE, LABELS - 2 * GAP)
        draw.text((GAP, top + side // 2 - TYPE // 2), text, INK, font(TYPE))
        for column, number in enumerate(shown[:1] if clip.is_image else shown):
            cell = fitted(clip.frames[min(number, len(clip) - 1)], side)
            strip.paste(cell, (LABELS + column * (side + GAP), top))
    return strip
