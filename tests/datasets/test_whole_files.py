"""Gaps and cuts that decoders step over: found by packet numbers, stated frame counts and timestamps."""

from __future__ import annotations

import re
from functools import partial

import av
import numpy as np
import pytest

from portraitbench.core.errors import MediaError
from portraitbench.datasets.last_picture import last_picture_is_whole
from portraitbench.datasets.limits import Limits
from portraitbench.datasets.media import iter_window, probe
from portraitbench.datasets.timeline import read_timeline
from portraitbench.datasets.transport import transport_problem

NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
FRAMES = 30
CUT = "cut short: it ends in the middle of a picture"


def write(path, codec="libx264", lost=None, **options):
    """A clip of 30 frames, of which the muxer is not given one."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        packets = [stream.encode(av.VideoFrame.from_ndarray(np.roll(NOISE, 3 * row, 1))) for row in range(FRAMES)]
        for index, packet in enumerate([one for some in [*packets, stream.encode()] for one in some]):
            if index != lost:
                container.mux(packet)
    return path


def found(path):
    """Frames found by decoding; or what is said."""
    try:
        return read_timeline(path, probe(path), frames=5).frames
    except MediaError as error:
        return str(error).partition(": ")[2]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
def test_an_avi_that_lacks_one_frame_in_the_middle_is_damaged(tmp_path, codec):
    options = {"bf": "0"} if codec == "libx264" else {}
    whole = write(tmp_path / "whole.avi", codec, **options)
    assert found(whole) == 6
    lacking = write(tmp_path / "lacking.avi", codec, lost=12, **options)
    told = "damaged: it says that it has 30 frames and has 29"
    assert re.search(rf"{told} \(the first to miss is about 1[12]\)", found(lacking))
    data = whole.read_bytes()
    at = data.index(b"movi") + 4
    for _ in range(12):
        at += 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
    assert data[at : at + 4] == b"00dc"
    (tmp_path / "blotted.avi").write_bytes(data[:at] + b"JUNK" + data[at + 4 :])
    assert told in found(tmp_path / "blotted.avi")


@pytest.mark.parametrize(("codec", "ending"), [("libx264", "mp4"), ("libx264", "mkv"), ("mpeg4", "avi")])
def test_a_damaged_last_picture_takes_no_other_with_it_unsaid(tmp_path, codec, ending):
    """A decoder with threads ends early there, without a word: 17 of 20 frames and no error."""
    path = write(tmp_path / f"whole.{ending}", codec)
    assert read_timeline(path, probe(path)).frames == FRAMES
    data = bytearray(path.read_bytes())
    with av.open(path) as container:
        last = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][-1]
    inside = slice(last[0] + 8, last[0] + last[1])
    data[inside] = bytes(255 - value for value in data[inside])
    path.write_bytes(data)
    with pytest.raises(MediaError, match="damaged at about frame"):
        read_timeline(path, probe(path))


@pytest.fixture(scope="module", params=["libx264", "mpeg2video"])
def stream(request, tmp_path_factory):
    options = {"bf": "2", "b_strategy": "0"} if request.param == "libx264" else {"bf": "0", "b": "4M"}
    return write(tmp_path_factory.mktemp("stream") / "a.ts", request.param, **options).read_bytes()


def unasked():
    raise AssertionError("the packets alone tell")


def decodes_to_its_end(path):
    try:
        return last_picture_is_whole(path, Limits())
    except MediaError:
        return False  # half of the first picture is nothing that can be opened


def owners(data):
    """Packet id, and whether the packet is filled up, by packet."""
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    return [((packet[1] & 31) << 8 | packet[2], packet[3] >> 4 & 2 > 0) for packet in packets]


@pytest.mark.parametrize("layout", ["plain", "with times", "with parity"])
def test_holes_and_cuts_of_a_transport_stream_are_found(stream, tmp_path, layout):
    path, before, after = tmp_path / "a.ts", b"0000" * (layout == "with times"), b"p" * 16 * (layout == "with parity")
    packets = [stream[at : at + 188] for at in range(0, len(stream), 188)]
    laid = lambda some: path.write_bytes(b"".join(before + packet + after for packet in some))  # noqa: E731
    laid(packets)
    assert transport_problem(path, 256, unasked) is None
    video = [index for index, (pid, _) in enumerate(owners(stream)) if pid == 256]
    for hole in video[1:-1:5]:
        laid(packets[:hole] + packets[hole + 1 :])
        assert "packets are missing" in transport_problem(path, 256, unasked)
    laid([*packets[: video[3]], packets[video[3]], *packets[video[3] :]])
    assert transport_problem(path, 256, unasked) is None, "a packet may be sent twice"
    full = [index for index in video if not owners(stream)[index][1]]
    for end in full[1::5]:
        laid(packets[: end + 1])
        assert transport_problem(path, 256, partial(decodes_to_its_end, path)) == CUT
    laid(packets)
    path.write_bytes(path.read_bytes()[:-70])
    assert transport_problem(path, 256, unasked) == "cut short: its last packet is not whole"
    assert transport_problem(path, 4000, unasked) is not None


def test_a_transport_stream_is_read_when_it_is_whole_and_refused_when_it_is_not(stream, tmp_path):
    path = tmp_path / "a.ts"
    path.write_bytes(stream)
    assert found(path) == 6
    path.write_bytes(stream[: len(stream) * 6 // 10])
    assert "is cut short" in found(path)
    path.write_bytes(stream[: len(stream) // 376 * 188] + stream[len(stream) // 376 * 188 + 188 * 2 :])
    assert "packets are missing" in found(path)


def test_a_cut_between_reordered_pictures_is_found_by_its_times(tmp_path):
    data = write(tmp_path / "a.ts", "libx264", bf="3", b_strategy="0").read_bytes()
    starts = [
        at for at in range(0, len(data), 188) if data[at + 1] & 64 and (data[at + 1] & 31) << 8 | data[at + 2] == 256
    ]
    told = []
    for start in starts[-6:]:
        (tmp_path / "cut.ts").write_bytes(data[:start])
        told.append(found(tmp_path / "cut.ts"))
    assert sum("frames before its last one are missing" in str(text) for text in told) >= 3


def filled_to_the_end(data):
    """The same stream with the filling behind its last picture moved before it; and how many packets hold it."""
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    first = max(index for index, packet in enumerate(packets) if packet[1:3] == b"\x41\x00")
    own = [packet for packet in packets[first:] if packet[1] & 31 == 1 and packet[2] == 0]
    picture = b"".join(packet[5 + packet[4] :] if packet[3] & 32 else packet[4:] for packet in own)
    count = -(-len(picture) // 184)
    room = 184 * count - len(picture)
    # ISO/IEC 13818-1, 2.4.3.4: the field's length, its flags (none), filling.
    filling = bytes([room - 1]) + b"\0"[: room - 1] + b"\xff" * (room - 2) if room else b""
    laid, body = packets[:first], filling + picture
    for index in range(count):
        head = [0x47, 1 | 64 * (index == 0), 0, 16 | 32 * (room > 0 and index == 0) | own[0][3] + index & 15]
        laid.append(bytes(head) + body[184 * index : 184 * (index + 1)])
    return b"".join(laid), count


def noise_stream(path, codec, seed, **options):
    """A short stream of shapes under noise, which takes a few packets a picture."""
    rng = np.random.default_rng(seed)
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for row in range(5 + seed % 4):
            pixels = np.roll(NOISE[:64, :96], 3 * row, 1) + rng.integers(-40, 40, (64, 96, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels.clip(0, 255).astype(np.uint8))))
        container.mux(stream.encode())
    return path.read_bytes()


def shown(path):
    return [frame.tobytes() for frame in iter_window(path, 0, None)]


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 60), marks=pytest.mark.slow)], ids=["few", "many"])
@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"bf": "2", "b_strategy": "0"}),
        ("libx264", {"bf": "0", "profile": "baseline"}),
        ("libx264", {"bf": "0", "slices": "4"}),
        ("libx265", {"x265-params": "log-level=none:bframes=0"}),
        ("mpeg2video", {"bf": "0", "b": "600k"}),
    ],
    ids=["h264", "h264 cavlc", "h264 slices", "hevc", "mpeg2"],
)
def test_a_last_picture_that_fills_its_packet_is_whole_and_part_of_it_is_not(tmp_path, codec, options, seeds):
    """No packet says where such a picture ends: the bits of it do."""
    path, refused = tmp_path / "a.ts", 0
    for seed in seeds:
        whole, count = filled_to_the_end(noise_stream(path, codec, seed, **options))
        path.write_bytes(whole)
        if count == 1:
            continue  # its one packet has the filling
        with pytest.raises(AssertionError, match="packets alone"):
            transport_problem(path, 256, unasked)
        read_timeline(path, probe(path))
        pictures = shown(path)
        for cut in range(1, count):
            path.write_bytes(whole[: -188 * cut])
            told = found(path)
            refused += "cut short" in str(told)
            if not isinstance(told, str):
                assert shown(path) == pictures[: len(pictures) - 1], "what is accepted lacks the whole last picture"
    assert refused >= len(seeds)
