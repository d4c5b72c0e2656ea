"""What containers say of a picture's geometry and colour and FFmpeg's Python binding does not pass on.

Matroska (RFC 9559, 5.1.4.1.28): cropping, display size, default track. ISO media files (ISO/IEC 14496-12): clean
aperture (``clap``) and, of still pictures, coded colour (``colr``). Only headers are read, never whole files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

_HEADER_LIMIT = 64 * 2**20
_SEGMENT, _TRACKS, _TRACK = 0x18538067, 0x1654AE6B, 0xAE
_TYPE, _VIDEO = 0x83, 0xE0
_FIELDS = {
    0xB0: "width",
    0xBA: "height",
    0x54AA: "bottom",
    0x54BB: "top",
    0x54CC: "left",
    0x54DD: "right",
    0x54B0: "display_width",
    0x54BA: "display_height",
    0x53B8: "stereo",
}
_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}


@dataclass(frozen=True)
class Geometry:
    """How a container wants a video track to be shown.

    Attributes:
        left: Columns to cut away on the left of the stored picture; likewise ``right``, ``top`` and ``bottom``.
        display: Width to height of the cropped picture on screen; None where the container does not say.
        stereo: Whether the frames hold the views of two eyes.
    """

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0
    display: Fraction | None = None
    stereo: bool = False


def track_geometries(path: Path) -> list[Geometry]:
    """The geometry of each video track in file order; empty for containers that carry none.

    Raises:
        OSError: When the file cannot be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        head = file.read(12)
        file.seek(0)
        if head.startswith(b"\x1aE\xdf\xa3"):
            return list(_matroska_tracks(file, size))
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return list(_iso_tracks(file, 0, size, b""))
    return []


def missing_bytes(path: Path) -> int:
    """How many bytes of an MP4, Matroska or AVI file were cut away at its end, by the sizes it states itself."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(b"\x1aE\xdf\xa3"):
            return _missing_of_matroska(file, size)
        if head[:4] == b"RIFF":
            return max(0, int.from_bytes(head[4:8], "little") + 8 - size)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _missing_of_iso(file, size)
    return 0


def _missing_of_iso(file: BinaryIO, end: int) -> int:
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, _ = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size == 0:
            return 0
        if size < 8:
            return 0  # something else was appended
        at += size
    return max(0, at - end)


def _missing_of_matroska(file: BinaryIO, end: int) -> int:
    at = 0
    while element := _element(file, at):
        kind, data, size = element
        if kind == _SEGMENT:
            return max(0, data + size - end) if size is not None else 0
        if size is None:
            return 0
        at = data + size
    return 0


def coded_colour(path: Path) -> tuple[int, int] | None:
    """Primaries and transfer (ITU-T H.273) of an AVIF or HEIC still; None where the file does not state them."""
    with path.open("rb") as file:
        head = file.read(_HEADER_LIMIT // 64)
    at = head.find(b"colrnclx")
    return struct.unpack(">HH", head[at + 8 : at + 12]) if 0 <= at <= len(head) - 12 else None


def _matroska_tracks(file: BinaryIO, end: int) -> Iterator[Geometry]:
    for kind, start, stop in _elements(file, 0, end):
        if kind != _SEGMENT:
            continue
        for inner, first, last in _elements(file, start, stop):
            # Editors put the tracks behind the clusters, so those are stepped over.
            if inner == _TRACKS:
                for track, low, high in _elements(file, first, last):
                    if track == _TRACK:
                        yield from _matroska_video(file, low, high)


def _matroska_video(file: BinaryIO, start: int, end: int) -> Iterator[Geometry]:
    for kind, first, last in _elements(file, start, end):
        if kind == _VIDEO:
            values = {
                _FIELDS[field]: _unsigned(file, low, high)
                for field, low, high in _elements(file, first, last)
                if field in _FIELDS
            }
            yield _matroska_geometry(values)


def _matroska_geometry(values: dict[str, int]) -> Geometry:
    crop = {side: values.get(side, 0) for side in ("left", "right", "top", "bottom")}
    width, height = values.get("display_width", 0), values.get("display_height", 0)
    # Where only one is given, the other is the cropped picture's. The unit does not matter to a ratio.
    width = width or values.get("width", 0) - crop["left"] - crop["right"]
    height = height or values.get("height", 0) - crop["top"] - crop["bottom"]
    known = "display_width" in values or "display_height" in values
    display = Fraction(width, height) if known and width > 0 and height > 0 else None
    return Geometry(**crop, display=display, stereo=values.get("stereo", 0) > 0)


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """EBML elements between two offsets: id, and where their data begin and end."""
    at = start
    while at < end and (element := _element(file, at)):
        kind, data, size = element
        at = end if size is None else min(end, data + size)
        yield kind, data, at


def _element(file: BinaryIO, at: int) -> tuple[int, int, int | None] | None:
    """The EBML element (RFC 8794) at an offset: id, where its data begin, and their size, None while it is unknown."""
    file.seek(at)
    head = file.read(12)
    id_length = _vint_length(head)
    size_length = _vint_length(head[id_length:])
    if not 1 <= id_length <= 4 or not 1 <= size_length <= 8 or len(head) < id_length + size_length:
        return None
    every_bit = (1 << 7 * size_length) - 1
    size = int.from_bytes(head[id_length : id_length + size_length], "big") & every_bit
    return int.from_bytes(head[:id_length], "big"), at + id_length + size_length, None if size == every_bit else size


def _vint_length(head: bytes) -> int:
    return 9 - head[0].bit_length() if head and head[0] else 0


def _unsigned(file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    return int.from_bytes(file.read(min(8, end - start)), "big")


def _iso_tracks(file: BinaryIO, start: int, end: int, inside: bytes) -> Iterator[Geometry]:
    for kind, first, last in _iso_boxes(file, start, end):
        if kind in _CONTAINERS:
            yield from _iso_tracks(file, first, last, kind)
        elif kind == b"stsd" and inside == b"stbl":
            entry = next(_iso_boxes(file, first + 8, last), None)
            if entry is not None and _is_visual(file, *entry):
                yield _clean_aperture(file, *entry[1:])


def _iso_boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    at = start
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
        data = at + 8
        if size == 1:
            size, data = int.from_bytes(file.read(8), "big"), at + 16
        stop = end if size == 0 else at + size
        if stop < data or stop > end:
            return
        yield kind, data, stop
        at = stop


def _is_visual(file: BinaryIO, kind: bytes, start: int, end: int) -> bool:
    """Whether a sample entry is a picture's: its height and width are where a sound's rate is not."""
    if end - start < 78 or kind in (b"mp4a", b"tmcd", b"text", b"tx3g", b"mp4s", b"gpmd", b"mebx"):
        return False
    file.seek(start + 24)
    width, height = struct.unpack(">HH", file.read(4))
    file.seek(start + 40)
    frames_a_sample = int.from_bytes(file.read(2), "big")
    return bool(width > 0 and height > 0 and frames_a_sample == 1)


def _clean_aperture(file: BinaryIO, start: int, end: int) -> Geometry:
    file.seek(start + 24)
    width, height = struct.unpack(">HH", file.read(4))
    for kind, first, last in _iso_boxes(file, start + 78, end):
        if kind == b"clap" and last - first >= 32:
            file.seek(first)
            numbers = struct.unpack(">IIIIiIiI", file.read(32))
            if all(numbers[1::2]):
                return _cut(width, height, *(Fraction(*numbers[at : at + 2]) for at in (0, 2, 4, 6)))
    return Geometry()


def _cut(width: int, height: int, kept: Fraction, rows: Fraction, across: Fraction, down: Fraction) -> Geometry:
    """ISO/IEC 14496-12, 12.1.4: a kept size, and how far its centre lies from the picture's."""
    left = round((width - kept) / 2 + across)
    top = round((height - rows) / 2 + down)
    right, bottom = width - left - round(kept), height - top - round(rows)
    if min(left, top, right, bottom) < 0 or kept < 1 or rows < 1:
        return Geometry()
    return Geometry(left, right, top, bottom)
