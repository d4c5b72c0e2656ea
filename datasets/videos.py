"""Videos: exact frames by index with their times, and a lossless writer (PyAV)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..core.errors import MediaError
from ..core.files import atomic_path
from .clip import Clip, Frame
from .decoding import Track, decoded, opened, packet_times
from .display import Display, display_of, shown_size, to_display
from .last_picture import last_picture_is_whole
from .limits import Limits
from .transport import transport_problem

_FPS_TAG = "PORTRAITBENCH_FPS"
_DURATION = re.compile(r"(\d+):(\d+):(\d+\.\d+)")
_CREDIBLE_RATE = 300
"""Frames a second above which a rate that nobody stated is a time base and no rate."""
_REORDERED = 16
"""Most frames that H.264 and HEVC hold back to put them in order."""
_ROUNDING = Fraction(2, 1000)
_AGREES = 0.02
"""Relative difference up to which a stated rate is the one of the timestamps."""


@dataclass(frozen=True)
class VideoHeader:
    """What a video says of itself, with frames counted from its packets (nothing but one frame is decoded)."""

    width: int
    height: int
    frames: int
    fps: Fraction
    codec: str
    pix_fmt: str
    variable_frame_rate: bool
    rotation: int
    seconds: Fraction
    notes: tuple[str, ...]


class TimedFrame(NamedTuple):
    """A frame as shown, and its time in seconds after the first; None where the file has no usable times."""

    pixels: Frame
    time: Fraction | None


def read_header(path: Path, limits: Limits) -> VideoHeader:
    """Look at a video without decoding more than its first frame.

    Raises:
        MediaError: When it has no frame that can be decoded, or is beyond the limits.
    """
    for track, first in decoded(path, limits):
        display = _display(track, first)
        width, height = shown_size(first, display)
        limits.check_size(width, height)
        rotation = round(first.rotation) % 360
        context = track.stream.codec_context
        codec, pix_fmt = context.name, first.format.name if track.alpha else context.pix_fmt or "unknown"
        break
    else:
        raise MediaError(f"{path}: has no frame that can be decoded")
    with opened(path, limits) as track:
        times = packet_times(track)
        fps = _frame_rate(track, times)
        base = track.stream.time_base or Fraction(1, 1000)
        count = len(times)
        variable = is_variable(times)
        gap = Fraction(int(np.median(np.diff(times)))) * base if variable else 1 / fps
        seconds = (times[-1] - times[0]) * base + gap if variable else count / fps
    notes = (*track.notes, *display.notes, *((_variable_note(times, base),) if variable else ()))
    return VideoHeader(width, height, count, fps, codec, pix_fmt, variable, rotation, seconds, notes)


def frame_rate(path: Path, limits: Limits) -> Fraction:
    """Frames per second: exact for files of ours, else the stated rate where the timestamps bear it out."""
    with opened(path, limits) as track:
        return _frame_rate(track, None)


def stated_seconds(path: Path, limits: Limits) -> float | None:
    """How long a Matroska file says that its video lasts: FFmpeg steps silently over blocks that are damaged.

    None where it does not say, and for other containers, whose last frame may stand for any time.
    """
    with opened(path, limits) as track:
        if not track.container.format.name.startswith("matroska"):
            return None
        tag = _DURATION.fullmatch(track.stream.metadata.get("DURATION", ""))
        if tag:
            return 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
        alone = len(track.container.streams) == 1 and track.container.duration
        return track.container.duration / av.time_base if alone and track.container.duration else None


def incomplete(path: Path, limits: Limits) -> str | None:
    """What of a video's track is missing, by its container's own counters, in words that follow "is"; None if nothing.

    Decoders step over such gaps: packets of a transport stream carry numbers, and an AVI file says how many frames it
    has. Of MP4, Matroska and AVI also see :func:`.boxes.missing_bytes`.
    """
    with opened(path, limits) as track:
        name = track.container.format.name
        if name not in ("mpegts", "avi"):
            return None
        whole = partial(last_picture_is_whole, path, limits)
        if name == "mpegts" and (problem := transport_problem(path, track.stream.id, whole)):
            return problem
        times, stated = np.array(packet_times(track)), track.stream.frames
        gaps = np.diff(times)
        wide = np.flatnonzero(gaps > 1.5 * np.median(gaps)) if len(gaps) else gaps
        if name == "avi":
            where = f" (the first to miss is about {wide[0] + 1})" if len(wide) else ""
            shown = f"damaged: it says that it has {stated} frames and has {len(times)}{where}"
            return shown if len(times) < stated else None
        # Pictures are stored after those that they refer to: a stream that was cut has its last ones too early.
        is_cut = len(wide) > 0 and wide[0] >= len(gaps) - _REORDERED
        return "cut short: frames before its last one are missing" if is_cut else None


def iter_timed(path: Path, start: int, count: int | None, limits: Limits) -> Iterator[TimedFrame]:
    """Yield frames by index in presentation order; those before ``start`` are decoded but not converted.

    There is no seeking by time: the index is exact also for variable frame rates. Frames are as a person sees them,
    see :mod:`.display`. YUV becomes RGB by the matrix and range that the frame is tagged with (BT.601, limited range
    where it says nothing); alpha is composited over black.

    Args:
        path: A video.
        start: Index of the first frame wanted.
        count: How many; None for all to the end.
        limits: Bounds on the frames.

    Raises:
        MediaError: When the video ends before ``start + count`` frames, is broken before that, changes its size, or is
            beyond the limits.
    """
    reformatter = VideoReformatter()
    display: Display | None = None
    index, size, origin = 0, (0, 0), None
    for track, frame in decoded(path, limits):
        try:
            if display is None:
                display, size = _display(track, frame), (frame.width, frame.height)
                origin = frame.pts
                limits.check_size(frame.width, frame.height)
                limits.check_size(*shown_size(frame, display))
            limits.check_length(index + 1)
            if (frame.width, frame.height) != size:
                raise MediaError(
                    f"its frames change size: {size[0]} x {size[1]} to {frame.width} x {frame.height} at frame "
                    f"{index}: export it again at one size"
                )
            if index >= start:
                if frame.is_corrupt:
                    raise MediaError(f"frame {index} is damaged: fetch or export it again")
                yield TimedFrame(to_display(frame, display, reformatter), _time(track, frame.pts, origin))
        except MediaError as error:
            raise MediaError(f"{path}: {error}") from error
        index += 1
        if count is not None and index == start + count:
            return
    wanted = f"frames {start} to {start + count - 1}" if count is not None else f"frames from {start} on"
    if count is not None or index <= start:
        raise MediaError(f"{path}: has {index} frames, and {wanted} are asked for (the first is 0)")


def iter_times(path: Path, limits: Limits) -> Iterator[Fraction | None]:
    """Decode without converting, and yield each frame's time in seconds; errors as for :func:`iter_timed`."""
    size, origin = None, None
    for index, (track, frame) in enumerate(decoded(path, limits)):
        if size is None:
            size, origin = (frame.width, frame.height), frame.pts
        if (frame.width, frame.height) != size:
            raise MediaError(
                f"{path}: its frames change size: {size[0]} x {size[1]} to {frame.width} x {frame.height} at frame "
                f"{index}: export it again at one size"
            )
        if frame.is_corrupt:
            raise MediaError(f"{path}: frame {index} is damaged: fetch or export it again")
        yield _time(track, frame.pts, origin)


def write_clip(path: Path, clip: Clip) -> None:
    """Write a clip without any loss (H.264 RGB, crf 0, in Matroska), atomically.

    Equal clips give equal files. Matroska rounds time to milliseconds, so the exact frame rate goes into a tag.

    Args:
        path: A name that ends in .mkv; its folder is made.
        clip: At most 1000 frames a second.

    Raises:
        MediaError: When the suffix is another one, or the frame rate does not fit into Matroska.
    """
    if path.suffix != ".mkv" or clip.fps > 1000:
        raise MediaError(f"{path}: clips are written as .mkv with at most 1000 frames a second, not {clip.fps}")
    with atomic_path(path) as temporary, av.open(temporary, "w", "matroska", {"fflags": "+bitexact"}) as container:
        container.metadata[_FPS_TAG] = str(clip.fps)
        stream = container.add_stream("libx264rgb", rate=clip.fps, options={"crf": "0", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "rgb24"
        # One thread: with more, the bytes would depend on how many processors there are.
        stream.codec_context.thread_count = 1
        for index, pixels in enumerate(clip):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = index, 1 / clip.fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def window_rate(times: Sequence[Fraction | None], nominal: Fraction) -> Fraction:
    """Frames a second of a window: the nominal rate, or the mean of its own times where those say otherwise."""
    known = [time for time in times if time is not None]
    if len(known) < 3 or len(known) < len(times) or known[-1] <= known[0]:
        return nominal
    gaps, lasts = len(known) - 1, known[-1] - known[0]
    # Containers round times, to milliseconds at worst.
    if abs(lasts - gaps / nominal) <= _ROUNDING + lasts / 50:
        return nominal
    return (gaps / lasts).limit_denominator(1001)


def is_variable(times: Sequence[int], tick: float = 1.0) -> bool:
    """Whether gaps between frames differ by more than the container's rounding (one tick) and one in a hundred."""
    if len(times) < 3:
        return False
    gaps = np.diff(np.asarray(times, np.int64))
    return bool(gaps.max() - gaps.min() > max(tick, 0.01 * float(np.median(gaps))))


def _display(track: Track, first: av.VideoFrame) -> Display:
    aspect = track.stream.sample_aspect_ratio or track.stream.codec_context.sample_aspect_ratio
    return display_of(first, aspect, track.geometry, track.alpha)


def _time(track: Track, pts: int | None, origin: int | None) -> Fraction | None:
    base = track.stream.time_base
    return None if pts is None or origin is None or base is None else (pts - origin) * base


def _frame_rate(track: Track, times: list[int] | None) -> Fraction:
    tag = track.container.metadata.get(_FPS_TAG)
    if tag:
        return _positive(Fraction(tag))
    stated = track.stream.average_rate
    if stated and track.container.format.name.startswith("mov"):
        return _positive(stated)  # computed from the table of all frames
    measured = _measured(packet_times(track) if times is None else times, track.stream.time_base)
    if stated and (not measured or any(abs(stated / rate - 1) < slack for rate, slack in measured)):
        return _positive(stated)
    if measured:
        return measured[0][0]
    guess = track.stream.guessed_rate
    return _positive(guess if guess and guess < _CREDIBLE_RATE else None)


def _measured(times: list[int], base: Fraction | None) -> list[tuple[Fraction, float]]:
    """Rates by the mean and by the median gap between timestamps, each with its relative uncertainty."""
    if base is None or len(times) < 2 or times[-1] <= times[0]:
        return []
    mean = (len(times) - 1) / ((times[-1] - times[0]) * base)
    gap = max(1, int(np.median(np.diff(times))))
    by_mean = (mean.limit_denominator(1001), _AGREES + 1 / (times[-1] - times[0]))
    return [by_mean, (1 / (gap * base), _AGREES + 1 / gap)] if by_mean[0] else []


def _positive(fps: Fraction | None) -> Fraction:
    if fps is None or fps <= 0:
        raise MediaError("states no frame rate: export it again with one")
    return fps


def _variable_note(times: Sequence[int], base: Fraction) -> str:
    gaps = np.diff(np.asarray(times, np.int64))
    slow, fast = (float(1 / (max(1, int(gap)) * base)) for gap in (gaps.max(), gaps.min()))
    return f"variable frame rate, {slow:.3g} to {fast:.3g} frames a second: windows and --fps go by its timestamps"
