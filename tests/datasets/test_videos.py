from __future__ import annotations

import struct
import warnings
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.core.errors import MediaError
from portraitbench.datasets.media import Limits, probe, read_clip, read_fps, read_window

RATES = [Fraction(12000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001)]
CODECS = [
    ("libx264", "yuv444p", 47, 61, "h264"),
    ("libx264", "yuv420p", 48, 62, "h264"),
    ("libx265", "yuv444p", 47, 61, "hevc"),
    ("mpeg4", "yuv420p", 47, 61, "mpeg4"),
]


@pytest.mark.parametrize(("codec", "pix_fmt", "height", "width", "name"), CODECS)
@pytest.mark.parametrize("fps", RATES, ids=lambda fps: f"{float(fps):.2f}")
def test_frames_sizes_and_rates_of_common_codecs(
    tmp_path, make_video, numbered_frame, frame_number, codec, pix_fmt, height, width, name, fps
):
    source = [numbered_frame(index, height, width) for index in range(9)]
    path = make_video(tmp_path / "clip.mp4", source, codec, pix_fmt, fps)
    info = probe(path)
    assert (info.kind, info.height, info.width, info.frames) == ("video", height, width, 9)
    assert (info.codec, info.pix_fmt, info.variable_frame_rate, info.rotation) == (name, pix_fmt, False, 0)
    assert info.fps == read_fps(path) == fps
    clip = read_window(path, 2, 5)
    assert clip.frames.shape == (5, height, width, 3)
    assert clip.fps == fps
    assert [frame_number(frame) for frame in clip] == [2, 3, 4, 5, 6]
    assert np.abs(clip.frames.astype(int) - np.stack(source[2:7])).mean() < 8


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory, make_video, numbered_frame):
    """The same 40 numbered frames at even and at wildly uneven times, with B-frames and several key frames."""
    folder = tmp_path_factory.mktemp("long")
    frames = [numbered_frame(index) for index in range(40)]
    uneven = np.cumsum(np.random.default_rng(3).integers(5, 400, 40)).tolist()
    return [
        make_video(folder / "even.mp4", frames),
        make_video(folder / "uneven.mp4", frames, pts=uneven),
        make_video(folder / "uneven.mkv", frames, "libx265", pts=uneven),
        make_video(folder / "even.avi", frames, "mpeg4", "yuv420p"),
    ]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_window_has_exactly_the_frames_asked_for(long_clips, frame_number, data):
    path = data.draw(st.sampled_from(long_clips))
    start = data.draw(st.integers(0, 39))
    count = data.draw(st.integers(1, 40 - start))
    clip = read_window(path, start, count)
    assert [frame_number(frame) for frame in clip] == list(range(start, start + count))


def test_variable_frame_rates_are_told_apart(long_clips):
    assert [probe(path).variable_frame_rate for path in long_clips] == [False, True, True, False]
    assert [probe(path).frames for path in long_clips] == [40, 40, 40, 40]


def test_frames_beyond_the_end_name_how_many_there_are(long_clips):
    with pytest.raises(MediaError, match=r"even\.mp4: has 40 frames, and frames 38 to 41 are asked for"):
        read_window(long_clips[0], 38, 4)
    with pytest.raises(MediaError, match="has 40 frames, and frames from 40 on"):
        read_window(long_clips[0], 40, None)


def _set_matrix(path, a, b, c, d):
    """Write a display matrix into an MP4's track header: ISO/IEC 14496-12, 8.3.2 (version 0)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    assert data[at] == 0
    fixed = [value << 16 for value in (a, b)] + [0] + [value << 16 for value in (c, d)] + [0, 0, 0, 1 << 30]
    data[at + 40 : at + 76] = struct.pack(">9i", *fixed)
    path.write_bytes(data)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(
    ("matrix", "turns"),
    # x' = a x + c y, y' = b x + d y with y down: (0, 1, -1, 0) sends right to down, which is clockwise.
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],
)
def test_rotation_and_mirroring_metadata_are_applied(tmp_path, make_video, matrix, turns, mirrored):
    ramp = np.zeros((48, 80, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 250, 80)[None]
    ramp[..., 1] = np.linspace(0, 250, 48)[:, None]
    path = make_video(tmp_path / "phone.mp4", [ramp] * 3)
    a, b, c, d = matrix
    _set_matrix(path, *((-a, b, -c, d) if mirrored else matrix))
    expected = np.rot90(ramp, turns)[:, :: -1 if mirrored else 1]
    info, clip = probe(path), read_clip(path)
    assert (info.height, info.width) == (clip.height, clip.width) == expected.shape[:2]
    assert mirrored or info.rotation == turns * 90 % 360
    assert np.abs(clip.frames[1].astype(int) - expected).mean() < 6


def test_odd_angles_are_refused(tmp_path, make_video, numbered_frame):
    path = make_video(tmp_path / "tilted.mp4", [numbered_frame(1)] * 2)
    _set_matrix(path, 1, 1, -1, 1)
    with pytest.raises(MediaError, match="rotated by an odd angle"):
        read_clip(path)


BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)


def _rgb(y, u, v, weights, full):
    """ITU-R BT.601 / 709 / 2020, closed form."""
    kr, kb = weights
    luma = y / 255 if full else (y - 16) / 219
    pb, pr = ((value - 128) / (255 if full else 224) for value in (u, v))
    red, blue = luma + 2 * (1 - kr) * pr, luma + 2 * (1 - kb) * pb
    return 255 * np.array([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue])


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize(("tag", "weights"), [(1, BT709), (5, BT601), (6, BT601), (9, BT2020), (None, BT601)])
@pytest.mark.parametrize(("range_tag", "full"), [(1, False), (2, True), (None, False)])
def test_colours_follow_the_tagged_matrix_and_range(tmp_path, pix_fmt, tag, weights, range_tag, full):
    path = tmp_path / "flat.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 32, 18, pix_fmt
        frame = av.VideoFrame(32, 18, pix_fmt)
        for target in (stream.codec_context, frame):
            if tag is not None:
                target.colorspace = tag
            if range_tag is not None:
                target.color_range = range_tag
        for plane, value in zip(frame.planes, (120, 90, 170), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    pixels = read_window(path).frames.reshape(-1, 3)
    assert np.abs(pixels - _rgb(120, 90, 170, weights, full)).max() <= 1


def test_alpha_of_a_video_is_composited_over_black(tmp_path, make_video):
    frame = np.zeros((16, 16, 4), np.uint8)
    frame[..., :3] = (200, 100, 50)
    frame[:, :8, 3], frame[:, 8:, 3] = 255, 128
    pixels = read_window(make_video(tmp_path / "alpha.mov", [frame], "png", "rgba")).frames[0]
    assert (pixels[:, :8] == (200, 100, 50)).all()
    assert np.abs(pixels[:, 8:].astype(float) - np.array([200, 100, 50]) * 128 / 255).max() <= 0.5


def test_limits_are_checked_before_frames_are_converted(tmp_path, make_video, numbered_frame):
    path = make_video(tmp_path / "clip.mp4", [numbered_frame(0)] * 10)
    with pytest.raises(MediaError, match="61 x 47 pixels is more than the limit of 100 pixels"):
        read_window(path, limits=Limits(max_pixels=100))
    with pytest.raises(MediaError, match="60 a side"):
        probe(path, Limits(max_side=60))
    with pytest.raises(MediaError, match="10 frames or more, and the limit is 9"):
        read_window(path, limits=Limits(max_frames=9))
    with pytest.raises(MediaError, match="limit is 100 B"):
        read_window(path, limits=Limits(max_bytes=100))
    long = make_video(tmp_path / "slow.mp4", [numbered_frame(0)] * 3, pts=[0, 5000, 9000])
    with pytest.raises(MediaError, match=r"lasts \d+ s, and the limit is 2 s"):
        read_window(long, limits=Limits(max_seconds=2))


def test_frames_that_change_size_are_refused(tmp_path, make_video, numbered_frame):
    first = make_video(tmp_path / "a.ts", [numbered_frame(0, 48, 64)] * 5, "mpeg2video", "yuv420p")
    second = make_video(tmp_path / "b.ts", [numbered_frame(0, 64, 96)] * 5, "mpeg2video", "yuv420p")
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(MediaError, match="change size"):
        read_clip(both)


def test_public_clips_have_the_frames_that_were_counted_by_decoding(shared):
    import yaml

    files = yaml.safe_load((shared / "portraits/sources.yaml").read_text())["files"]
    for entry in files:
        info = probe(shared / "portraits" / entry["path"])
        stored = (entry["width"], entry["height"])
        if info.codec == "h264" and stored == (512, 480) and info.notes:  # one clip has pixels of 16:15
            assert info.notes == ("pixels are not square: 512 x 480 is shown as 512 x 512",)
            stored = (512, 512)
        assert (info.width, info.height, info.frames) == (*stored, entry["frames"])


def test_reading_leaves_no_trace(tmp_path, make_video, numbered_frame, capfd):
    path = make_video(tmp_path / "clip.mp4", [numbered_frame(0)] * 3)
    capfd.readouterr()
    before = (av.logging.get_level(), list(warnings.filters))
    read_clip(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(MediaError):
        read_clip(path)
    assert (av.logging.get_level(), list(warnings.filters)) == before
    assert capfd.readouterr() == ("", "")
