"""PNG files reduced to the chunks that decide their pixels.

A profile too large for Pillow, a text that unpacks to megabytes or a wrong checksum in a time stamp make no picture
unreadable: nothing of that is looked at.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

from ..core.errors import MediaError
from .tonemap import HDR_TRANSFERS, hdr_refusal

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Transparency, orientation, and what tells an animation (PNG specification, third edition).
_KEPT = (b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# Where programs put an orientation that Pillow honours.
_KEYWORDS = (b"Raw profile type exif", b"XML:com.adobe.xmp")
_TEXT_LIMIT = 2**19


def essentials(file: BinaryIO) -> io.BytesIO:
    """Copy a PNG without its dispensable chunks; damage in the others is left for the decoder to find.

    Args:
        file: At its beginning, after a check of the signature.

    Raises:
        MediaError: When the picture says that it is HDR.
    """
    kept = io.BytesIO()
    kept.write(file.read(len(SIGNATURE)))
    while head := file.read(8):
        if len(head) < 8:
            kept.write(head)
            break
        length, kind = struct.unpack(">I4s", head)
        body = file.read(length + 4)
        ancillary = bool(kind[0] & 0x20)
        if not ancillary or kind in _KEPT or (kind in _TEXTS and _is_wanted_text(kind, body)):
            kept.write(head + body)
        if kind == b"cICP" and body[1] in HDR_TRANSFERS:
            raise MediaError(hdr_refusal(body[1]))
        if kind == b"IEND":
            break
    kept.seek(0)
    return kept


def _is_wanted_text(kind: bytes, body: bytes) -> bool:
    content, checksum = body[:-4], body[-4:]
    keyword, _, rest = content.partition(b"\0")
    if keyword not in _KEYWORDS or struct.pack(">I", zlib.crc32(kind + content)) != checksum:
        return False
    compressed = {b"zTXt": rest[1:], b"iTXt": rest[2:].partition(b"\0")[2].partition(b"\0")[2]}.get(kind, b"")
    if kind == b"tEXt" or (kind == b"iTXt" and rest[:1] == b"\0"):
        return len(rest) < _TEXT_LIMIT
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(compressed, _TEXT_LIMIT)
    except zlib.error:
        return False
    return unpacker.eof
