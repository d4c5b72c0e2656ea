"""The display frame: what a person sees of a decoded video frame. All sources go through here.

In this order: the container's crop, colours by the frame's own tags (HDR by :mod:`.tonemap`), alpha over black, pixels
that are not square, rotation. What was done beyond plain decoding is told in notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from av.sidedata import sidedata
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image

from ..core.errors import MediaError
from .boxes import Geometry
from .clip import Frame
from .tonemap import DESCRIPTION, HDR_TRANSFERS, Transfer, tone_map

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Matrix = tuple[int, int, int, int]

# Bicubic chroma at full resolution with exact rounding: the same pixels on every processor.
_SCALER = 0x4 | 0x2000 | 0x40000 | 0x80000
# AVColorSpace of a frame -> matrix; untagged frames count as BT.601, as in FFmpeg and OpenCV.
_MATRICES = {1: Colorspace.ITU709, 4: Colorspace.FCC, 7: Colorspace.SMPTE240M, 9: Colorspace.BT2020}
_UNSUPPORTED_MATRICES = {10: "BT.2020 constant luminance", 14: "BT.2100 ICtCp", 15: "Dolby Vision's IPT"}
_ODD_TRANSFERS = {8: "linear light", 9: "logarithmic", 10: "logarithmic", 17: "SMPTE ST 428"}
_PRIMARIES = {1: "BT.709", 9: "BT.2020", 11: "P3", 12: "P3"}
_BT2020 = 9
_FULL_RANGE = 2
_SQUARE_ENOUGH = Fraction(1, 200)
"""Change of a side below which pixels count as square: encoders round sample aspect ratios."""


def _accept_new_side_data() -> None:
    """FFmpeg may know kinds of side data that PyAV has no name for; they must not hide the display matrix."""
    if "_missing_" not in vars(sidedata.Type):
        fallback: Any = classmethod(lambda cls, _: cls.VIDEO_HINT)
        sidedata.Type._missing_ = fallback  # type: ignore[method-assign]


_accept_new_side_data()


@dataclass(frozen=True)
class Display:
    """How the frames of one track are shown.

    Attributes:
        geometry: The container's crop.
        width: Width of the cropped picture with square pixels, before rotation.
        height: Height of it.
        transfer: HDR transfer; None for SDR.
        primaries: Primaries of HDR pictures.
        notes: What differs from the stored pixels, one phrase each.
    """

    geometry: Geometry
    width: int
    height: int
    transfer: Transfer | None
    primaries: str
    notes: tuple[str, ...]


def display_of(first: VideoFrame, sample_aspect: Fraction | None, geometry: Geometry, alpha: bool) -> Display:
    """Decide from a track's first frame how all are shown.

    Args:
        first: The first decoded frame.
        sample_aspect: Width to height of a pixel, from the stream; None or 0 where it is not stated.
        geometry: The container's own words, which count more.
        alpha: Whether the track says that it has transparency.

    Raises:
        MediaError: When its colours cannot be brought to SDR, or the crop leaves nothing.
    """
    if name := _UNSUPPORTED_MATRICES.get(first.colorspace):
        raise MediaError(f"has colours coded as {name}, which is not read: export it as SDR (BT.709)")
    width = first.width - geometry.left - geometry.right
    height = first.height - geometry.top - geometry.bottom
    if min(width, height) < 1:
        raise MediaError("its container cuts the whole picture away: export it again")
    aspect = geometry.display * height / width if geometry.display else sample_aspect or Fraction(1)
    shown = square_size(width, height, aspect)
    transfer = HDR_TRANSFERS.get(first.color_trc)
    notes = []
    if (width, height) != (first.width, first.height):
        notes.append(f"the container's crop is applied: {first.width} x {first.height} to {width} x {height}")
    if shown != (width, height):
        notes.append(f"pixels are not square: {width} x {height} is shown as {shown[0]} x {shown[1]}")
    if transfer:
        notes.append(f"HDR ({transfer}), {DESCRIPTION}")
    elif first.color_trc in _ODD_TRANSFERS:
        notes.append(f"its transfer is {_ODD_TRANSFERS[first.color_trc]}, shown as if it were BT.709's")
    elif first.color_primaries == _BT2020:
        notes.append("its primaries are BT.2020's, shown as if they were BT.709's")
    if alpha or _has_alpha(first):
        notes.append("transparency is laid over black")
    if first.interlaced_frame:
        notes.append("interlaced: both fields of a frame are shown at once")
    if geometry.stereo:
        notes.append("stereoscopic: a frame holds the views of both eyes")
    return Display(geometry, *shown, transfer, _PRIMARIES.get(first.color_primaries, "BT.2020"), tuple(notes))


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """The size with square pixels of a picture whose pixels have an aspect ratio; no side becomes shorter.

    >>> square_size(720, 480, Fraction(8, 9)), square_size(640, 360, Fraction(999, 1000))
    ((720, 540), (640, 360))
    """
    if aspect <= 0 or abs(aspect - 1) < _SQUARE_ENOUGH:
        return width, height
    return (max(1, round(width * aspect)), height) if aspect > 1 else (width, max(1, round(height / aspect)))


def shown_size(frame: VideoFrame, display: Display) -> tuple[int, int]:
    """Width and height on screen, after rotation."""
    is_turned = display_matrix(frame)[0] == 0
    return (display.height, display.width) if is_turned else (display.width, display.height)


def to_display(frame: VideoFrame, display: Display, reformatter: VideoReformatter) -> Frame:
    """Convert a decoded frame to what is seen on screen.

    Args:
        frame: In any pixel format.
        display: From :func:`display_of`, of the same track.
        reformatter: Kept by the caller over a clip, because setting it up costs more than using it.

    Returns:
        uint8 RGB, shape (H, W, 3).

    Raises:
        MediaError: When it is rotated by an odd angle.
    """
    pixels = _colours(frame, display, reformatter)
    crop = display.geometry
    pixels = pixels[crop.top : pixels.shape[0] - crop.bottom, crop.left : pixels.shape[1] - crop.right]
    if pixels.shape[:2] != (display.height, display.width):
        shown = Image.fromarray(np.ascontiguousarray(pixels))
        pixels = np.asarray(shown.resize((display.width, display.height), Image.Resampling.LANCZOS))
    return _upright(pixels, display_matrix(frame))


def _colours(frame: VideoFrame, display: Display, reformatter: VideoReformatter) -> Frame:
    """RGB of the whole stored frame, by its own tags; alpha over black."""
    alpha = _has_alpha(frame)
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
    is_rgb = frame.format.is_rgb
    unstated = Colorspace.BT2020 if display.transfer else Colorspace.ITU601
    wanted = ("rgba64le" if alpha else "rgb48le") if display.transfer else ("rgba" if alpha else "rgb24")
    converted = reformatter.reformat(
        frame,
        format=wanted,
        src_colorspace=None if is_rgb else _MATRICES.get(frame.colorspace, unstated),
        src_color_range=None if is_rgb else (ColorRange.JPEG if full else ColorRange.MPEG),
        interpolation=_SCALER,
    ).to_ndarray()
    opacity: np.ndarray[Any, Any] | None = None
    if display.transfer:
        code = np.asarray(converted, np.uint16)
        pixels = tone_map(code[..., :3], display.transfer, display.primaries)
        opacity = code[..., 3:] >> 8 if alpha else None
    else:
        pixels = np.asarray(converted, np.uint8)
        opacity = pixels[..., 3:] if alpha else None
    if opacity is not None:
        pixels = ((pixels[..., :3] * opacity.astype(np.uint16) + 127) // 255).astype(np.uint8)
    return pixels


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def display_matrix(frame: VideoFrame) -> Matrix:
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


def _upright(pixels: Frame, matrix: Matrix) -> Frame:
    a, b, c, d = matrix
    if a == 0:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[:: d or b, :: a or c])
