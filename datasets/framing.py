"""From a stored picture to the suite's square canvas: the same framing for every generator and every metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import count, islice
from math import ceil
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from ..core.errors import ManifestError, MediaError
from .clip import Clip, Frame
from .manifest import Crop, Suite, Window
from .media import Limits, MediaInfo, TimedFrame, iter_timed_window, probe, read_fps, window_rate

T = TypeVar("T")


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
    framed, times = [], []
    for frame, time in iter_timed_window(path, window.start, window.frames, limits):
        try:
            crop = fit_crop(window.crop, frame)
        except ValueError as error:
            raise ManifestError(f"asset {window.asset}: {error} in the manifest") from error
        framed.append(frame_square(frame, crop, suite.size))
        times.append(time)
    return Clip(np.stack(framed), window_rate(times, read_fps(path, limits)))


def frame_file(
    path: Path, size: int, *, crop: Crop | None = None, fps: Fraction | None = None, frames: int | None = None
) -> Clip:
    """Read a file that belongs to no suite onto a square canvas, framed as suites frame theirs.

    Args:
        path: An image or a video.
        size: Side of the canvas in pixels.
        crop: A square of the picture; None takes the largest centred one.
        fps: Frame rate that a video is brought to by leaving frames out or repeating them; None keeps its own. A
            still picture stays one frame.
        frames: At most this many frames from the beginning; None for all.

    Raises:
        MediaError: When the file is missing, cannot be decoded, or the crop leaves the picture.
    """
    info = probe(path)
    timed: Iterable[TimedFrame] = iter_timed_window(path, 0, None)
    if fps is not None and info.fps is not None:
        timed = at_times(timed, fps) if info.variable_frame_rate else at_rate(timed, info.fps, fps)
    framed, times = [], []
    for frame, time in islice(timed, frames):
        try:
            framed.append(frame_square(frame, fit_crop(crop, frame), size))
        except ValueError as error:
            raise MediaError(f"{path}: {error}") from error
        times.append(time)
    return Clip(np.stack(framed), fps or window_rate(times, info.fps or Fraction(25)))


def frames_at_rate(info: MediaInfo, wanted: Fraction | None) -> int:
    """How many frames :func:`frame_file` makes of a whole file at a rate; None keeps the file's own."""
    if info.fps is None or wanted is None:
        return info.frames
    if not info.variable_frame_rate or info.seconds is None:
        return ceil((info.frames - Fraction(1, 2)) * wanted / info.fps)
    return ceil((info.seconds - 1 / (2 * info.fps)) * wanted)


def at_rate(frames: Iterable[T], own: Fraction, wanted: Fraction) -> Iterator[T]:
    """Bring frames from one rate to another: at each new frame's time, the frame nearest to it.

    Args:
        frames: In order, ``own`` a second, the first at time 0; read one by one.
        own: Their rate.
        wanted: The new rate; a higher one repeats frames.
    """
    nearest = (int(Fraction(number) * own / wanted + Fraction(1, 2)) for number in count())
    due = next(nearest)
    for index, frame in enumerate(frames):
        while due == index:
            yield frame
            due = next(nearest)


def at_times(frames: Iterable[TimedFrame], wanted: Fraction) -> Iterator[TimedFrame]:
    """Bring frames with uneven times to an even rate: at each new frame's time, the frame nearest to it.

    Args:
        frames: In order; the last one counts until half a gap after its time.
        wanted: The new rate.
    """
    due = (number / wanted for number in map(Fraction, count()))
    next_due = next(due)
    held: TimedFrame | None = None
    time = gap = Fraction(0)
    for frame in frames:
        now = time + gap if frame.time is None else frame.time
        # Until half way to the next frame, the one that is held is nearest.
        while held is not None and next_due < (now + time) / 2:
            yield held
            next_due = next(due)
        gap, time, held = now - time, now, frame
    while held is not None and next_due < time + gap / 2:
        yield held
        next_due = next(due)


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


def fit_crop(crop: Crop | None, frame: Frame) -> Crop:
    """The square to take of a frame: the crop, or without one the largest centred square.

    Raises:
        ValueError: When it leaves the picture, or the picture is too small.
    """
    height, width = frame.shape[:2]
    if crop is None:
        if min(width, height) < 8:
            raise ValueError(f"{width} x {height} pixels is too small to crop: replace it")
        return largest_square(width, height)
    if crop.x + crop.side > width or crop.y + crop.side > height:
        raise ValueError(
            f"crop of {crop.side} pixels at ({crop.x}, {crop.y}) leaves the picture of {width} x {height}: correct it"
        )
    return crop
