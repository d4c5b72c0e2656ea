"""Whether the last picture of a stream is there to its last bit, asked of the bitstream itself."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.logging

from .decoding import listening, opened
from .limits import Limits

if TYPE_CHECKING:
    from av.packet import Packet

_TAILS = {"h264": (b"", b"\x55" * 64, b"\xaa" * 64), "hevc": (b"", b"\x55" * 64, b"\xaa" * 64)}
"""What may follow the last slice by codec: nothing of it is read where the slice ends by its own end."""


def last_picture_is_whole(path: Path, limits: Limits) -> bool:
    """Decode the end of a stream, some times with other bytes behind it: these change a picture that is not whole.

    Args:
        path: A video whose last picture is also the last in the file.
        limits: Bounds on the file.

    Returns:
        False where a decoder complains or conceals, or where the picture depends on what follows it. True also where a
        codec does not tell: half a HEVC picture that ends with one of its slices is not found.
    """
    with opened(path, limits, strict=False) as track:
        name, extradata = track.stream.codec_context.name, track.stream.codec_context.extradata
        groups: list[list[Packet[Any]]] = [[]]
        for packet in track.container.demux(track.stream):
            if packet.is_keyframe and packet.size:
                # The group before the last one holds what the first pictures of the last one refer to.
                groups = [groups[-1], []]
            if packet.size:
                groups[-1].append(packet)
    packets = [packet for group in groups for packet in group]
    if not packets:
        return True
    seen = set()
    for tail in _TAILS.get(name, (b"",)):
        context: Any = av.CodecContext.create(name, "r")
        context.extradata, context.thread_type = extradata, "NONE"
        context.options = {"max_pixels": str(limits.max_pixels)}
        seen.add(_end(context, packets, tail))
    return len(seen) == 1 and None not in seen


def _end(context: Any, packets: list[Packet[Any]], tail: bytes) -> str | None:
    """Digest of what comes out with the last packet; None where that is nothing, or not as it was meant."""
    for packet in packets[:-1]:
        try:
            context.decode(packet)
        except av.error.FFmpegError:
            continue  # told where the whole stream is decoded; what it takes with it, it takes each time
    last: Packet[Any] = av.Packet(bytes(packets[-1]) + tail)
    last.pts, last.dts, last.time_base = packets[-1].pts, packets[-1].dts, packets[-1].time_base
    with listening(av.logging.INFO) as messages:
        try:
            frames = [*context.decode(last), *context.decode(None)]
        except av.error.FFmpegError:
            return None
    if not frames or any(level <= av.logging.ERROR or "concealing" in text for level, _, text in messages):
        return None
    return sha256(b"".join(bytes(plane) for frame in frames for plane in frame.planes)).hexdigest()
