"""Videos: exact frames by index, and a lossless writer (PyAV)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..core.errors import MediaError
from ..core.files import atomic_path
from .clip import Clip, Frame
from .frames import display_matrix, to_rgb
from .limits import Limits, reading

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Demuxers that read one file and nothing it points to: a playlist could name other files or addresses.
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg"
_FPS_TAG = "PORTRAITBENCH_FPS"


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


def read_header(path: Path, limits: Limits) -> VideoHeader:
    """Look at a video without decoding more than its first frame.

    Raises:
        MediaError: When it has no frame that can be decoded, or is beyond the limits.
    """
    with _opened(path, limits) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise MediaError("has no frame that can be decoded")
        is_turned = display_matrix(first)[0] == 0
        rotation = round(first.rotation) % 360
        fps = _frame_rate(container, stream)
        context = stream.codec_context
        codec, pix_fmt = context.name, context.pix_fmt or "unknown"
    with _opened(path, limits) as (container, stream):
        times = [packet.pts for packet in container.demux(stream) if packet.size and not packet.is_discard]
    width, height = (first.height, first.width) if is_turned else (first.width, first.height)
    return VideoHeader(width, height, len(times), fps, codec, pix_fmt, _is_variable(times), rotation)


def frame_rate(path: Path, limits: Limits) -> Fraction:
    """Frames per second: exact for files of ours, else the container's average rate."""
    with _opened(path, limits) as (container, stream):
        return _frame_rate(container, stream)


def iter_frames(path: Path, start: int, count: int | None, limits: Limits) -> Iterator[Frame]:
    """Yield frames by index in presentation order; those before ``start`` are decoded but not converted.

    There is no seeking by time: the index is exact also for variable frame rates. Rotation metadata is applied, the
    sample aspect ratio is not (pixels stay as stored). YUV becomes RGB by the matrix and range that the frame is
    tagged with (BT.601, limited range where it says nothing); alpha is composited over black.

    Args:
        path: A video.
        start: Index of the first frame wanted.
        count: How many; None for all to the end.
        limits: Bounds on the frames.

    Raises:
        MediaError: When the video ends before ``start + count`` frames, is broken before that, or beyond the limits.
    """
    reformatter = VideoReformatter()
    index = 0
    with _opened(path, limits) as (container, stream):
        for frame in container.decode(stream):
            limits.check_size(frame.width, frame.height)
            limits.check_length(index + 1)
            if index >= start:
                if frame.is_corrupt:
                    raise MediaError(f"frame {index} is damaged: fetch or export it again")
                yield to_rgb(frame, reformatter)
            index += 1
            if count is not None and index == start + count:
                return
        wanted = f"frames {start} to {start + count - 1}" if count is not None else f"frames from {start} on"
        if count is not None or index <= start:
            raise MediaError(f"has {index} frames, and {wanted} are asked for (the first is 0)")


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


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[tuple[InputContainer, VideoStream]]:
    # A file object, because FFmpeg would read some names as addresses.
    with (
        reading(path, limits),
        path.open("rb") as file,
        av.open(file, "r", options={"format_whitelist": _DEMUXERS}) as container,
    ):
        # A stream in an unknown codec has no codec context; a sound file's cover is an attached picture.
        known = [s for s in container.streams.video if getattr(s, "codec_context", None) is not None]
        streams = [s for s in known if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            raise MediaError("has no video stream that can be decoded: export it as H.264")
        stream = streams[0]
        limits.check_size(stream.codec_context.width, stream.codec_context.height)
        limits.check_length(stream.frames, (container.duration or 0) / av.time_base)
        # Damaged frames are errors: FFmpeg would rather paint over them and go on.
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels), "err_detect": "explode"}
        stream.thread_type = "AUTO"
        yield container, stream


def _frame_rate(container: InputContainer, stream: VideoStream) -> Fraction:
    tag = container.metadata.get(_FPS_TAG)
    fps = Fraction(tag) if tag else stream.average_rate or stream.guessed_rate
    if fps is None or fps <= 0:
        raise MediaError("states no frame rate: export it again with one")
    return fps


def _is_variable(times: list[int | None]) -> bool:
    """Whether gaps between frames differ by more than the container's rounding (one tick) and one in a hundred."""
    known = np.sort(np.array([time for time in times if time is not None], dtype=np.int64))
    if len(known) < 3:
        return False
    gaps = np.diff(known)
    return bool(gaps.max() - gaps.min() > max(1.0, 0.01 * float(np.median(gaps))))
