"""Gaps and cuts that decoders step over: found by packet numbers, stated frame counts and timestamps."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest

from portraitbench.core.errors import MediaError
from portraitbench.datasets.media import probe
from portraitbench.datasets.timeline import read_timeline
from portraitbench.datasets.transport import transport_problem

NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
FRAMES = 30


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


@pytest.fixture(scope="module", params=["libx264", "mpeg2video"])
def stream(request, tmp_path_factory):
    options = {"bf": "2", "b_strategy": "0"} if request.param == "libx264" else {"bf": "0", "b": "4M"}
    return write(tmp_path_factory.mktemp("stream") / "a.ts", request.param, **options).read_bytes()


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
    assert transport_problem(path, 256) is None
    video = [index for index, (pid, _) in enumerate(owners(stream)) if pid == 256]
    for hole in video[1:-1:5]:
        laid(packets[:hole] + packets[hole + 1 :])
        assert "packets are missing" in transport_problem(path, 256)
    laid([*packets[: video[3]], packets[video[3]], *packets[video[3] :]])
    assert transport_problem(path, 256) is None, "a packet may be sent twice"
    full = [index for index in video if not owners(stream)[index][1]]
    for end in full[1::5]:
        laid(packets[: end + 1])
        assert transport_problem(path, 256) == "cut short: it ends in the middle of a picture"
    laid(packets)
    path.write_bytes(path.read_bytes()[:-70])
    assert transport_problem(path, 256) == "cut short: its last packet is not whole"
    assert transport_problem(path, 4000) is not None


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
