"""Whether an MPEG transport stream is whole: its packets are counted, which decoders do not care about.

A decoder goes on after a gap and takes half a picture for a picture. What cannot be seen is a stream that was cut
exactly between two pictures: nothing in it says how long it should be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_PACKET, _SYNC = 188, 0x47
_LAYOUTS = ((188, 0), (192, 4), (204, 0))
"""Bytes from packet to packet, and before the sync byte: plain, with time codes (.m2ts), with parity."""


def transport_problem(path: Path, pid: int, last_is_whole: Callable[[], bool]) -> str | None:
    """What is wrong with the packets of one track (ISO/IEC 13818-1, 2.4.3), in words that follow "is"; None if nothing.

    Args:
        path: The file; one of another format is not looked into.
        pid: The track's packet id.
        last_is_whole: Whether the last picture is whole by its own bits, asked where the packets do not say.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(5 * 204)
    layout = next(
        ((step, offset) for step, offset in _LAYOUTS if set(head[offset : 4 * step + offset + 1 : step]) == {_SYNC}),
        None,
    )
    if layout is None or size < 5 * layout[0]:
        return None
    step, offset = layout
    count, rest = divmod(size, step)
    packets = np.memmap(path, np.uint8, "r", shape=(count, step))[:, offset : offset + _PACKET]
    lost = np.flatnonzero(packets[:, 0] != _SYNC)
    if len(lost):
        return _damaged(int(lost[0]), count)
    if rest:
        return "cut short: its last packet is not whole"
    own = np.flatnonzero((packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2] == pid)
    gap = _gap(packets[own][:, :6])
    if gap is not None:
        return _damaged(int(own[gap]), count)
    within = _ends_within(packets[own[-4096:]]) if len(own) else False
    if within or (within is None and not last_is_whole()):
        return "cut short: it ends in the middle of a picture"
    return None


def _damaged(packet: int, count: int) -> str:
    return f"damaged: packets are missing {packet / count:.0%} into the file (or two files were joined there)"


def _gap(heads: NDArray[np.uint8]) -> int | None:
    """The first packet whose continuity counter does not follow the one before it."""
    control = heads[:, 3] >> 4 & 3
    announced = (control >= 2) & (heads[:, 4] > 0) & (heads[:, 5] & 0x80 > 0)
    # Packets without a payload do not count up, and a packet may be sent twice.
    counted = np.flatnonzero(control & 1)
    steps = np.diff(heads[counted, 3] & 15) & 15
    fresh = np.add.reduceat(announced, counted[:-1] + 1)[: len(steps)] > 0 if len(steps) else np.zeros(0, bool)
    wrong = np.flatnonzero((steps > 1) & ~fresh)
    return int(counted[wrong[0] + 1]) if len(wrong) else None


def _ends_within(packets: NDArray[np.uint8]) -> bool | None:
    """Whether the last picture ends without its end: by its length, or as its last packet is filled up behind it.

    None where neither says so: packets without filling are what a cut leaves, and a picture may fit exactly.
    """
    starts = np.flatnonzero(packets[:, 1] & 0x40)
    if not len(starts):
        return None
    parts = [_payload(packet) for packet in packets[starts[-1] :]]
    stated = int.from_bytes(bytes(parts[0][4:6]), "big")
    if stated:
        return sum(map(len, parts)) < stated + 6
    # A first packet may hold filling for other reasons.
    return False if starts[-1] < len(packets) - 1 and _is_filled(packets[-1]) else None


def _is_filled(packet: NDArray[np.uint8]) -> bool:
    """Whether the adaptation field (2.4.3.4) is longer than what it holds."""
    if not packet[3] >> 4 & 2:
        return False
    length, flags = int(packet[4]), int(packet[5])
    clocks = 6 * ((flags >> 4 & 1) + (flags >> 3 & 1))
    return length == 0 or flags == 0 or (flags & 3 == 0 and length > 1 + clocks + (flags >> 2 & 1))


def _payload(packet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    control = packet[3] >> 4 & 3
    if not control & 1:
        return packet[:0]
    return packet[5 + int(packet[4]) :] if control == 3 else packet[4:]
