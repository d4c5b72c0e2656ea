"""Media files as clips: one door for still pictures and videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from PIL import Image

from ..core.errors import MediaError
from .clip import Clip, Frame
from .decoding import DEMUXERS
from .frame_folder import FOLDER_FPS, FOLDER_NOTE, frame_files, iter_folder
from .images import FORMATS, image_size, is_image, read_image, write_image
from .limits import Limits, reading
from .videos import TimedFrame, frame_rate, iter_timed, read_header, window_rate, write_clip

__all__ = [
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Limits",
    "MediaInfo",
    "TimedFrame",
    "iter_timed_window",
    "iter_window",
    "probe",
    "read_clip",
    "read_fps",
    "read_image",
    "read_output",
    "read_window",
    "window_rate",
    "write_clip",
    "write_image",
    "write_output",
]

# Endings that FFmpeg's tables leave out, or list for files with sound only.
_MORE_SUFFIXES = {"m4v", "ts", "m2t", "m2ts", "mts", "mpg", "mpeg", "vob", "ogv"}
_SOUND_SUFFIXES = {"m4a", "m4b", "isma", "mka", "mks", "psp"}


def _image_suffixes() -> frozenset[str]:
    Image.init()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)


def _video_suffixes() -> frozenset[str]:
    stated = {suffix for name in DEMUXERS if name in av.formats_available for suffix in _extensions(name)}
    return frozenset(f".{suffix}" for suffix in (stated | _MORE_SUFFIXES) - _SOUND_SUFFIXES) - IMAGE_SUFFIXES


def _extensions(name: str) -> set[str]:
    return set(av.ContainerFormat(name, "r").extensions)


IMAGE_SUFFIXES = _image_suffixes()
VIDEO_SUFFIXES = _video_suffixes()
"""Names under which results are looked for, from what the readers take; what a file is, its content decides."""


@dataclass(frozen=True)
class MediaInfo:
    """What is to be known of a media file without decoding it (of videos, the first frame is).

    Attributes:
        kind: "image" or "video", from the content; a folder of numbered pictures is a video.
        width: Width in pixels as shown: upright, with square pixels, cropped.
        height: Height likewise.
        frames: For videos counted from the packets, which equals the decoded frames of an undamaged file.
        fps: Average frames per second; None for images.
        codec: Name of the codec or image format ("h264", "png").
        pix_fmt: FFmpeg's pixel format, or Pillow's mode.
        variable_frame_rate: Whether frames are unevenly spaced in time.
        rotation: Rotation metadata in degrees, as stored; already applied to width and height.
        seconds: How long a video lasts; None for images.
        notes: How the frames that are read differ from the stored ones, and what else is unusual.
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
    seconds: Fraction | None = None
    notes: tuple[str, ...] = ()


def probe(path: Path, limits: Limits | None = None) -> MediaInfo:
    """Look at a media file.

    Raises:
        MediaError: When it is neither a picture nor a video that can be read, or beyond the limits; says what it is.
    """
    limits = limits or Limits()
    if path.is_dir():
        files = frame_files(path)
        first = image_size(files[0], limits)
        size, seconds = (first.width, first.height), len(files) / FOLDER_FPS
        notes = (FOLDER_NOTE, *first.notes)
        codec = f"folder of {first.codec}"
        return MediaInfo("video", *size, len(files), FOLDER_FPS, codec, first.pix_fmt, False, 0, seconds, notes)
    if _is_image(path, limits):
        one = image_size(path, limits)
        form = (one.codec, one.pix_fmt)
        return MediaInfo("image", one.width, one.height, 1, None, *form, False, one.rotation, None, one.notes)
    return MediaInfo(kind="video", **vars(read_header(path, limits)))


def iter_window(path: Path, start: int = 0, frames: int | None = 1, limits: Limits | None = None) -> Iterator[Frame]:
    """Yield frames one by one, so that a long clip need not fit into memory at full size.

    Args:
        path: An image, a video or a folder of numbered pictures.
        start: Index of the first frame in presentation order.
        frames: How many; None for all to the end.
        limits: Bounds on the file.

    Raises:
        MediaError: When there are fewer frames, or the file cannot be decoded.
    """
    return (frame.pixels for frame in iter_timed_window(path, start, frames, limits))


def iter_timed_window(
    path: Path, start: int = 0, frames: int | None = 1, limits: Limits | None = None
) -> Iterator[TimedFrame]:
    """Yield frames with their times; arguments and errors as for :func:`iter_window`."""
    limits = limits or Limits()
    if path.is_dir():
        yield from (TimedFrame(frame, None) for frame in iter_folder(path, start, frames, limits))
    elif not _is_image(path, limits):
        yield from iter_timed(path, start, frames, limits)
    elif start != 0 or frames not in (1, None):
        raise MediaError(f"{path}: is a still picture, and frames {start} to {start + (frames or 1) - 1} are asked for")
    else:
        yield TimedFrame(read_image(path, limits), None)


def read_window(path: Path, start: int = 0, frames: int | None = 1, limits: Limits | None = None) -> Clip:
    """Read frames ``start`` to ``start + frames - 1`` as a clip; arguments and errors as for :func:`iter_window`."""
    timed = list(iter_timed_window(path, start, frames, limits))
    rate = window_rate([frame.time for frame in timed], read_fps(path, limits))
    return Clip(np.stack([frame.pixels for frame in timed]), rate)


def read_clip(path: Path, limits: Limits | None = None) -> Clip:
    """Read a whole image or video; errors as for :func:`iter_window`."""
    return read_window(path, 0, None, limits)


def read_fps(path: Path, limits: Limits | None = None) -> Fraction:
    """Frames per second of a video, on average where it is variable; 25 for an image, where it has no meaning."""
    limits = limits or Limits()
    if path.is_dir():
        return FOLDER_FPS
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
