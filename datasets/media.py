"""Media files as clips: one door for still pictures and videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from ..core.errors import MediaError
from .clip import Clip, Frame
from .images import image_size, is_image, read_image, write_image
from .limits import Limits, reading
from .videos import frame_rate, iter_frames, read_header, write_clip

__all__ = [
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Limits",
    "MediaInfo",
    "iter_window",
    "probe",
    "read_clip",
    "read_fps",
    "read_image",
    "read_output",
    "read_window",
    "write_clip",
    "write_image",
    "write_output",
]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})
"""Names under which folders are searched for media; what a file is, its content decides."""


@dataclass(frozen=True)
class MediaInfo:
    """What is to be known of a media file without decoding it (of videos, the first frame is).

    Attributes:
        kind: "image" or "video", from the content.
        width: Width in pixels, upright.
        height: Height in pixels, upright.
        frames: For videos counted from the packets, which equals the decoded frames of an undamaged file.
        fps: Average frames per second; None for images.
        codec: Name of the codec or image format ("h264", "png").
        pix_fmt: FFmpeg's pixel format, or Pillow's mode.
        variable_frame_rate: Whether frames are unevenly spaced in time.
        rotation: Rotation metadata in degrees, as stored; already applied to width and height.
    """

    kind: Literal["image", "video"]
    width: int
    height: int
    frames: int
    fps: Fraction | None
    codec: str
    pix_fmt: str
    variable_frame_rate: bool
    rotation: int


def probe(path: Path, limits: Limits | None = None) -> MediaInfo:
    """Look at a media file.

    Raises:
        MediaError: When it is neither a picture nor a video that can be read, or beyond the limits.
    """
    limits = limits or Limits()
    if _is_image(path, limits):
        width, height, codec, mode, rotation = image_size(path, limits)
        return MediaInfo("image", width, height, 1, None, codec, mode, False, rotation)
    return MediaInfo(kind="video", **vars(read_header(path, limits)))


def iter_window(path: Path, start: int = 0, frames: int | None = 1, limits: Limits | None = None) -> Iterator[Frame]:
    """Yield frames one by one, so that a long clip need not fit into memory at full size.

    Args:
        path: An image or a video.
        start: Index of the first frame in presentation order.
        frames: How many; None for all to the end.
        limits: Bounds on the file.

    Raises:
        MediaError: When there are fewer frames, or the file cannot be decoded.
    """
    limits = limits or Limits()
    if not _is_image(path, limits):
        yield from iter_frames(path, start, frames, limits)
        return
    if start != 0 or frames not in (1, None):
        raise MediaError(f"{path}: is a still picture, and frames {start} to {start + (frames or 1) - 1} are asked for")
    yield read_image(path, limits)


def read_window(path: Path, start: int = 0, frames: int | None = 1, limits: Limits | None = None) -> Clip:
    """Read frames ``start`` to ``start + frames - 1`` as a clip; arguments and errors as for :func:`iter_window`."""
    pixels = list(iter_window(path, start, frames, limits))
    if any(frame.shape != pixels[0].shape for frame in pixels):
        raise MediaError(f"{path}: its frames change size: export it again at one size")
    return Clip(np.stack(pixels), read_fps(path, limits))


def read_clip(path: Path, limits: Limits | None = None) -> Clip:
    """Read a whole image or video; errors as for :func:`iter_window`."""
    return read_window(path, 0, None, limits)


def read_fps(path: Path, limits: Limits | None = None) -> Fraction:
    """Frames per second of a video; 25 for an image, where it has no meaning."""
    limits = limits or Limits()
    return Fraction(25) if _is_image(path, limits) else frame_rate(path, limits)


def write_output(stem: Path, clip: Clip) -> Path:
    """Write a clip losslessly, as ``<stem>.png`` when it is an image and else as ``<stem>.mkv``.

    Args:
        stem: Path without suffix; dots in its name are kept.
        clip: What to write.

    Returns:
        The path written.
    """
    path = stem.with_name(stem.name + (".png" if clip.is_image else ".mkv"))
    if clip.is_image:
        write_image(path, clip.frames[0])
    else:
        write_clip(path, clip)
    return path


def read_output(path: Path) -> Clip:
    """Read what :func:`write_output` wrote, bit for bit.

    Raises:
        MediaError: When the file is missing or cannot be decoded.
    """
    return read_clip(path)


def _is_image(path: Path, limits: Limits) -> bool:
    with reading(path, limits):
        return is_image(path)
