"""What a file is, from its first bytes: the one place that decides which reader it goes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.errors import MediaError

TAKEN = (
    "read are PNG, JPEG, WebP, AVIF, HEIC, BMP, TIFF and GIF images, and MP4, MOV, 3GP, MKV, WebM, AVI, MPEG-TS, "
    "MPEG-PS, FLV and Ogg clips"
)
"""What the readers take, for messages."""

_HEAD_BYTES = 4096
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_VIDEOS = (
    (b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (b"FLV\x01", "FLV"),
    (b"OggS", "Ogg"),
    (b"\0\0\x01\xba", "MPEG-PS"),
)
_OTHERS = (
    (b"0&\xb2u\x8ef\xcf\x11", "a Windows Media file (WMV, ASF)"),
    (b".RMF", "a RealMedia file"),
    (b"\0\0\x01\xb3", "a bare MPEG video stream without a container"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\xffO\xffQ", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\xff\n", "a JPEG XL picture"),
    (b"II\xbc\x01", "a JPEG XR picture"),
    (b"II+\0", "a BigTIFF picture"),
    (b"MM\0+", "a BigTIFF picture"),
    (b"8BPS", "a Photoshop document"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"DDS ", "a DirectDraw texture"),
    (b"qoif", "a QOI picture"),
    (b"\0\0\x01\0", "a Windows icon"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"fLaC", "a FLAC sound file"),
    (b"ID3", "an MP3 sound file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"YUV4MPEG2", "raw YUV4MPEG2 video"),
    (b"SIMPLE  =", "a FITS file"),
)
_TEXTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (run 'git lfs pull')"),
    (b"<!doctype html", "an HTML page, perhaps of an error or a login"),
    (b"<html", "an HTML page, perhaps of an error or a login"),
    (b"<svg", "an SVG drawing"),
    (b"#extm3u", "a playlist, which names other files"),
    (b"ffconcat", "a playlist, which names other files"),
)
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"}
_HEIC_SEQUENCES = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"}


@dataclass(frozen=True)
class FileType:
    """What a file is.

    Attributes:
        kind: "image" and "video" are read, "other" is known and not read, "unknown" is left to FFmpeg's probing.
        name: Name of the format; of what is not read, with an article.
    """

    kind: Literal["image", "video", "other", "unknown"]
    name: str


def file_type(path: Path) -> FileType:
    """Tell what a file is, whatever its name says.

    Raises:
        MediaError: When it is no regular file, so that reading it might never end.
        OSError: When it cannot be read.
    """
    if not path.is_file():
        path.stat()
        raise MediaError("is no regular file: give a media file")
    with path.open("rb") as file:
        return type_of(file.read(_HEAD_BYTES))


def type_of(head: bytes) -> FileType:
    """Tell what a file is by its first bytes (4096 are enough).

    >>> type_of(b"GIF89a").name, type_of(b"<!DOCTYPE html><title>404</title>").kind
    ('GIF', 'other')
    """
    if head[4:8] in _BOXES and not head.startswith(b"BM"):
        return _iso_media(head)
    for table, kind in ((_IMAGES, "image"), (_VIDEOS, "video"), (_OTHERS, "other")):
        for signature, name in table:
            if head.startswith(signature):
                return FileType(kind, name)  # type: ignore[arg-type] # the three literals above
    if head[:4] == b"RIFF":
        return _riff(head[8:12])
    for offset, step in ((0, 188), (4, 192)):
        if len(head) > offset + 3 * step and all(head[offset + turn * step] == 0x47 for turn in range(4)):
            return FileType("video", "MPEG-TS")
    return _text(head)


def require_media(path: Path) -> FileType:
    """Like :func:`file_type`, for files that must be an image or a video.

    Raises:
        MediaError: When the file is something else; says what.
    """
    found = file_type(path)
    if found.kind == "other":
        raise MediaError(f"is {found.name}: {TAKEN}")
    return found


def _iso_media(head: bytes) -> FileType:
    """ISO/IEC 14496-12, 4.3: a major brand and compatible ones."""
    if head[4:8] != b"ftyp":
        return FileType("video", "QuickTime")
    size = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    brands = {head[at : at + 4] for at in range(16, size - 3, 4)}
    if major in _AVIF_BRANDS or (major in _HEIC_BRANDS | _HEIC_SEQUENCES and brands & _AVIF_BRANDS):
        return FileType("image", "AVIF")
    if major in _HEIC_SEQUENCES:
        return FileType("other", "an HEIC image sequence (convert it to MP4)")
    if major in _HEIC_BRANDS:
        return FileType("image", "HEIC")
    if major in (b"crx ", b"jxl ", b"jp2 "):
        return FileType("other", "a camera's raw picture" if major == b"crx " else "a JPEG 2000 or JPEG XL picture")
    return FileType("video", "MP4 or QuickTime")


def _riff(form: bytes) -> FileType:
    known = {b"WEBP": FileType("image", "WebP"), b"AVI ": FileType("video", "AVI")}
    return known.get(form) or FileType("other", "a WAV sound file" if form == b"WAVE" else "a RIFF file without video")


def _text(head: bytes) -> FileType:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _TEXTS:
        if start[:64].lower().startswith(signature):
            return FileType("other", name)
    if len(head) >= 4 and head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3] in b" \n\t\r":
        return FileType("other", "a Netpbm picture (PPM, PGM)")
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may have been cut in two.
        if error.start < len(head) - 4 or not head:
            return FileType("unknown", "unknown")
        text = head[: error.start].decode("utf-8")
    if text and all(letter.isprintable() or letter in "\t\n\r\f" for letter in text):
        return FileType("other", "a text file")
    return FileType("unknown", "unknown")
