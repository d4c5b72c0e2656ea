"""Decoded video frames as they should look on screen: colours, alpha, rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from ..core.errors import MediaError
from .clip import Frame

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# Bicubic chroma at full resolution with exact rounding: the same pixels on every processor.
_SCALER = 0x4 | 0x2000 | 0x40000 | 0x80000
# AVColorSpace of a frame -> matrix; untagged frames count as BT.601, as in FFmpeg and OpenCV.
_MATRICES = {1: Colorspace.ITU709, 4: Colorspace.FCC, 7: Colorspace.SMPTE240M, 9: Colorspace.BT2020}
_FULL_RANGE = 2


def to_rgb(frame: VideoFrame, reformatter: VideoReformatter) -> Frame:
    """Convert a decoded frame, by its own tags.

    Args:
        frame: In any pixel format.
        reformatter: Kept by the caller over a clip, because setting it up costs more than using it.

    Returns:
        uint8 RGB, shape (H, W, 3): alpha over black, turned upright.

    Raises:
        MediaError: When it is rotated by an odd angle.
    """
    alpha = any(component.is_alpha for component in frame.format.components)
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
    is_rgb = frame.format.is_rgb
    converted = reformatter.reformat(
        frame,
        format="rgba" if alpha else "rgb24",
        src_colorspace=None if is_rgb else _MATRICES.get(frame.colorspace, Colorspace.ITU601),
        src_color_range=None if is_rgb else (ColorRange.JPEG if full else ColorRange.MPEG),
        interpolation=_SCALER,
    )
    pixels = np.asarray(converted.to_ndarray(), dtype=np.uint8)
    if alpha:
        opacity = pixels[..., 3:].astype(np.uint16)
        pixels = ((pixels[..., :3] * opacity + 127) // 255).astype(np.uint8)
    return _upright(pixels, display_matrix(frame))


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The signs of a, b, c, d in x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 8.3.2): turned and mirrored frames.

    Raises:
        MediaError: When the matrix is no multiple of a right angle.
    """
    try:
        data = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item] # PyAV's stub is too narrow
        values = np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]]
    except KeyError:
        return 1, 0, 0, 1
    a, b, c, d = (int(value) for value in np.rint(values / max(1, np.abs(values).max())))
    if (abs(a), abs(b), abs(c), abs(d)) not in {(1, 0, 0, 1), (0, 1, 1, 0)}:
        raise MediaError("is rotated by an odd angle: export it upright")
    return a, b, c, d


def _upright(pixels: Frame, matrix: tuple[int, int, int, int]) -> Frame:
    a, b, c, d = matrix
    if a == 0:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[:: d or b, :: a or c])
