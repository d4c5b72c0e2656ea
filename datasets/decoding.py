"""Decoded video frames, strictly: a damaged frame is an error, a decoder's grumbling is not (PyAV)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import av.logging

from ..core.errors import MediaError, one_line
from .boxes import Geometry, track_geometries
from .filetype import require_media
from .limits import Limits, reading

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Demuxers that read one file and nothing it points to: a playlist could name other files or addresses.
DEMUXERS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "ogg")
# FFmpeg's own decoders leave out the second layer that holds VP8's and VP9's transparency.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# Complaints of FFmpeg's decoders about bookkeeping that leaves the pixels as they are.
_HARMLESS = (
    "mmco: unref short failure",
    "illegal memory management control operation",
    "unable to decode app fields",
    "bad value for restart interval",
    "last message repeated",
)


# Without a handler Python would print what FFmpeg's threads say while somebody listens.
logging.getLogger("libav").addHandler(logging.NullHandler())

Decode: TypeAlias = "Callable[[Packet[Any]], list[VideoFrame]]"


class _DamagedError(Exception):
    """A frame that cannot be decoded as it was meant."""


@dataclass(frozen=True, eq=False)
class Track:
    """An opened video track.

    Attributes:
        container: The opened file.
        stream: The track that is shown by default.
        geometry: What the container says of its geometry.
        alpha: Whether the container says that it has transparency.
        notes: Which of several tracks it is.
    """

    container: InputContainer
    stream: VideoStream
    geometry: Geometry
    alpha: bool
    notes: tuple[str, ...]


@contextmanager
def opened(path: Path, limits: Limits, *, strict: bool = True, threads: str = "AUTO") -> Iterator[Track]:
    """Open a video's default track.

    Args:
        path: The file.
        limits: Bounds on it.
        strict: Whether the decoder stops at whatever it complains of.
        threads: What the strict one's threads share, in PyAV's words; the other one has none.

    Raises:
        MediaError: When there is no track that can be decoded, or it is beyond the limits.
    """
    # A file object, because FFmpeg would read some names as addresses.
    with reading(path, limits):
        kind = require_media(path)
        with path.open("rb") as file:
            try:
                container = av.open(file, "r", options={"format_whitelist": ",".join(DEMUXERS)})
            except av.error.FFmpegError as error:
                if kind.kind == "unknown":
                    raise MediaError("is of no format that is read here: export it as PNG or MP4") from error
                raise
            with container:
                track = _default_track(path, container)
                context = track.stream.codec_context
                limits.check_size(context.width, context.height)
                limits.check_length(track.stream.frames, (container.duration or 0) / av.time_base)
                # Damaged frames are errors: FFmpeg would rather paint over them and go on.
                context.options = _options(limits, strict)
                # Messages reach the thread they are raised in.
                track.stream.thread_type = threads if strict else "NONE"
                yield track


def decoded(path: Path, limits: Limits) -> Iterator[tuple[Track, VideoFrame]]:
    """Yield the decoded frames in presentation order.

    A stream that the strict decoder gives up on is read again by the tolerant one: its frames count as sound where it
    complains of nothing but bookkeeping (a reference that was dropped twice in a clip cut without encoding).

    Raises:
        MediaError: At the first frame that cannot be decoded; frames that are marked as corrupt are left to the caller.
    """
    done = 0
    try:
        # FFmpeg's threads lose the last frames, and the error, where the last packet is damaged: one alone tells.
        for threads in ("AUTO", "NONE"):
            with opened(path, limits, threads=threads) as track:
                fed = _Counter()
                for index, frame in enumerate(_frames(track, _decoder(track, limits, strict=True), fed)):
                    if index >= done:
                        yield track, frame
                        done += 1
            if done >= fed.packets:
                return
        return
    except MediaError as error:
        if not isinstance(error.__cause__, av.error.FFmpegError):
            raise
    with opened(path, limits, strict=False) as track:
        for index, frame in enumerate(_frames(track, _tolerant(_decoder(track, limits, strict=False)), _Counter())):
            if index >= done:
                yield track, frame


def packet_times(track: Track) -> list[int]:
    """Presentation times of a track's shown frames in its time base, sorted, from packets alone.

    Hidden reference frames (VP8) and packets that an edit list leaves out do not count.
    """
    times = [packet.pts for packet in track.container.demux(track.stream) if _is_shown(track, packet)]
    return sorted(time for time in times if time is not None)


def _is_shown(track: Track, packet: Packet[Any]) -> bool:
    if not packet.size or packet.is_discard:
        return False
    # RFC 6386, 9.1: bit 4 of the frame tag.
    return track.stream.codec_context.name not in ("vp8", "libvpx") or bool(bytes(packet)[0] >> 4 & 1)


@dataclass
class _Counter:
    packets: int = 0


def _frames(track: Track, decode: Decode, fed: _Counter) -> Iterator[VideoFrame]:
    index = 0
    for packet in track.container.demux(track.stream):
        fed.packets += _is_shown(track, packet)
        try:
            frames = decode(packet)
        except _DamagedError as error:
            raise MediaError(f"is damaged at about frame {index} ({error}): fetch or export it again") from error
        yield from frames
        index += len(frames)


def _decoder(track: Track, limits: Limits, *, strict: bool) -> Decode:
    """What turns a packet into frames: the stream's decoder, or one that knows transparency."""
    name = _ALPHA_DECODERS.get(track.stream.codec_context.name) if track.alpha else None
    if name is None:
        return lambda packet: packet.decode()
    if name not in av.codecs_available:
        raise MediaError("has transparency that this FFmpeg cannot read (libvpx is missing): export it without")
    context: Any = av.CodecContext.create(name, "r")
    context.options = _options(limits, strict)
    decode: Decode = context.decode
    return decode


def _options(limits: Limits, strict: bool) -> dict[str, str]:
    return {"max_pixels": str(limits.max_pixels)} | ({"err_detect": "explode"} if strict else {})


def _tolerant(decode: Decode) -> Decode:
    """A decoder that raises for damage, which it tells by FFmpeg's messages."""

    def listen(packet: Packet[Any]) -> list[VideoFrame]:
        with listening(av.logging.ERROR) as messages:
            try:
                frames = decode(packet)
            except av.error.FFmpegError as error:
                raise _DamagedError(one_line(error, 60)) from error
        texts = [one_line(ValueError(text), 60) for _, _, text in messages]
        if bad := [text for text in texts if not text.lower().startswith(_HARMLESS)]:
            raise _DamagedError(bad[0])
        return frames

    return listen


@contextmanager
def listening(upto: int) -> Iterator[list[tuple[int, str, str]]]:
    """FFmpeg's messages of this thread up to a level, as (level, who, text); levels are as before afterwards."""
    level, skip = av.logging.get_level(), av.logging.get_skip_repeated()
    try:
        av.logging.set_level(upto)
        av.logging.set_skip_repeated(False)
        with av.logging.Capture() as messages:
            yield messages
    finally:
        av.logging.set_skip_repeated(skip)
        av.logging.set_level(level)


def _default_track(path: Path, container: InputContainer) -> Track:
    streams = container.streams.video
    unwanted = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    # A stream in an unknown codec has no codec context; a sound file's cover is an attached picture.
    known = [s for s in streams if getattr(s, "codec_context", None) is not None and not s.disposition & unwanted]
    if not known:
        raise MediaError("has no video stream that can be decoded: export it as H.264")
    stream = next((s for s in known if s.disposition & av.stream.Disposition.default), known[0])
    geometries = track_geometries(path)
    place = streams.index(stream)
    notes = (f"video track {place + 1} of {len(streams)} is read, the default one",) if len(known) > 1 else ()
    return Track(
        container,
        stream,
        geometries[place] if place < len(geometries) else Geometry(),
        stream.metadata.get("alpha_mode") == "1",
        notes,
    )
