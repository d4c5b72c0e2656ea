"""What a person sees of a video: pixel shape, container crop, transparency, HDR; against closed forms."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from portraitbench.core.errors import MediaError
from portraitbench.datasets import boxes
from portraitbench.datasets.media import probe, read_clip
from portraitbench.datasets.tonemap import PEAK, WHITE, roll_off, tone_map


def ramp(height=48, width=64):
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = np.linspace(0, 250, width)[None]
    frame[..., 1] = np.linspace(0, 250, height)[:, None]
    return frame


def encode(path, frames, codec="libx264", pix_fmt="yuv444p", options=None, setup=lambda stream: None):
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        setup(stream)
        for pixels in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(pixels, "rgba" if pixels.shape[2] == 4 else "rgb24"))
            )
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
@pytest.mark.parametrize(
    ("aspect", "shown"),
    [(Fraction(2), (48, 128)), (Fraction(1, 2), (96, 64)), (Fraction(1), (48, 64)), (Fraction(1000, 1001), (48, 64))],
)
def test_pixels_that_are_not_square_are_made_so(tmp_path, suffix, aspect, shown):
    def anamorphic(stream):
        stream.codec_context.sample_aspect_ratio = aspect

    path = encode(tmp_path / f"a.{suffix}", [ramp()] * 12, pix_fmt="yuv420p", setup=anamorphic)
    info, clip = probe(path), read_clip(path)
    assert (info.height, info.width) == clip.frames.shape[1:3] == shown
    # A ramp stays a ramp over the whole width and height, whatever it was stretched to.
    assert np.abs(clip.frames[1].astype(int) - ramp(*shown)).mean() < 4
    assert any("not square" in note for note in info.notes) == (shown != (48, 64))


def _vint(value):
    return (value | 1 << 56).to_bytes(8, "big")


def _element(name, body):
    return bytes.fromhex(name) + _vint(len(body)) + body


def _with_video_fields(path, fields):
    """Append fields to the Video element of a Matroska file's only track (RFC 9559, 5.1.4)."""
    data = path.read_bytes()
    with path.open("rb") as file:
        segment, end = next(
            (low, high) for kind, low, high in boxes._elements(file, 0, len(data)) if kind == 0x18538067
        )
        inside = list(boxes._elements(file, segment, end))
        start, stop = next((low, high) for kind, low, high in inside if kind == 0x1654AE6B)
        track = next((low, high) for kind, low, high in boxes._elements(file, start, stop) if kind == 0xAE)
        body, at = b"", track[0]
        for kind, low, high in boxes._elements(file, *track):
            body += _element("E0", data[low:high] + fields) if kind == 0xE0 else data[at:high]
            at = high
    begin = data.rindex(bytes.fromhex("1654AE6B"), segment, start)
    changed = data[:begin] + _element("1654AE6B", _element("AE", body)) + data[stop:]
    assert data[segment - 8] == 1  # a size of eight bytes
    path.write_bytes(changed[: segment - 8] + _vint(len(changed) - segment) + changed[segment:])


def _number(name, value):
    return bytes.fromhex(name) + b"\x82" + value.to_bytes(2, "big")


@pytest.mark.parametrize(
    ("fields", "rows", "columns", "shown"),
    [
        (_number("54B0", 128) + _number("54BA", 48), slice(None), slice(None), (48, 128)),
        (_number("54CC", 8) + _number("54DD", 4), slice(None), slice(8, 60), (48, 52)),
        (_number("54BB", 6) + _number("54AA", 2), slice(6, 46), slice(None), (40, 64)),
        (_number("54CC", 32) + _number("54B0", 64) + _number("54BA", 48), slice(None), slice(32, 64), (48, 64)),
    ],
    ids=["display", "columns", "rows", "both"],
)
def test_matroska_crop_and_display_size_are_applied(tmp_path, fields, rows, columns, shown):
    path = encode(tmp_path / "a.mkv", [ramp()] * 2)
    _with_video_fields(path, fields)
    clip, info = read_clip(path), probe(path)
    assert (info.height, info.width) == clip.frames.shape[1:3] == shown
    kept = ramp()[rows, columns]
    corners = [(0, 0), (0, -1), (-1, 0), (-1, -1)]
    for row, column in corners:
        assert np.abs(clip.frames[0][row, column].astype(int) - kept[row, column]).max() < 14
    assert info.notes


def test_the_clean_aperture_of_an_mp4_is_applied(tmp_path):
    path = encode(tmp_path / "a.mp4", [ramp()] * 2)
    data = path.read_bytes()
    # clap: 52 x 40 of 64 x 48, its centre 2 right and 1 above the picture's (ISO/IEC 14496-12, 12.1.4).
    clap = struct.pack(">I4sIIIIiIiI", 40, b"clap", 52, 1, 40, 1, 2, 1, -1, 1)
    at = data.index(b"avc1", data.index(b"stsd")) + 82
    grown = bytearray(data[:at] + clap + data[at:])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        where = data.index(box, data.index(b"moov")) - 4
        grown[where : where + 4] = (int.from_bytes(data[where : where + 4], "big") + len(clap)).to_bytes(4, "big")
    assert data.index(b"moov") > data.index(b"mdat")  # so that no offset changes
    path.write_bytes(grown)
    clip = read_clip(path)
    assert clip.frames.shape[1:3] == (40, 52)
    assert np.abs(clip.frames[0].astype(int) - ramp()[3:43, 8:60]).mean() < 4
    assert "crop is applied: 64 x 48 to 52 x 40" in probe(path).notes[0]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "slack"),
    [
        ("a.webm", "libvpx-vp9", "yuva420p", 3),
        ("b.webm", "libvpx", "yuva420p", 3),
        ("c.mov", "prores_ks", "yuva444p10le", 3),
        ("d.mov", "qtrle", "argb", 0),
        ("e.mkv", "ffv1", "bgra", 0),
    ],
)
def test_transparency_is_over_black_in_every_codec(tmp_path, name, codec, pix_fmt, slack):
    pixels = np.full((64, 64, 4), (40, 200, 90, 255), np.uint8)
    pixels[:, :32, 3] = 0
    setup = {"codec": codec, "pix_fmt": pix_fmt}
    if codec == "libvpx":
        setup["options"] = {"auto-alt-ref": "0"}
    if codec == "prores_ks":
        setup["options"] = {"profile": "4444", "alpha_bits": "16"}
    path = encode(tmp_path / name, [pixels] * 4, **setup)
    clip = read_clip(path)
    assert clip.frames[:, 4:60, 2:28].max() <= slack
    assert np.abs(clip.frames[:, 4:60, 36:60].astype(int) - (40, 200, 90)).max() <= 8
    assert "transparency is laid over black" in probe(path).notes


def _pq(light):
    """SMPTE ST 2084, from cd/m2 to code values."""
    power = (light / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def _hlg(light):
    """BT.2100: code value of a gray of so many cd/m2 on a 1000 cd/m2 screen."""
    scene = (light / 1000) ** (1 / 1.2)
    return np.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073


@pytest.mark.parametrize(("transfer", "code"), [("PQ", _pq), ("HLG", _hlg)])
@pytest.mark.parametrize("light", [0.0, 1.0, 20.0, 87.0])
def test_grays_below_the_knee_keep_their_light(transfer, code, light):
    coded = np.full((2, 2, 3), round(65535 * float(code(light))), np.uint16)
    shown = tone_map(coded, transfer)
    # BT.1886: what a screen with white at 203 cd/m2 makes of the 8-bit value.
    assert np.abs(WHITE * (shown / 255.0) ** 2.4 - light).max() <= 0.02 * light + 0.2


def test_highlights_roll_off_without_a_break():
    light = np.linspace(0, 2000, 4001)
    rolled = roll_off(light)
    assert (np.diff(rolled[light <= PEAK]) > 0).all()
    assert np.abs(rolled[light <= 87] - light[light <= 87]).max() < 1e-6
    assert rolled.max() == pytest.approx(WHITE)
    assert np.diff(rolled).max() < 0.51


@pytest.mark.parametrize(("number", "name", "code"), [(16, "PQ", _pq), (18, "HLG", _hlg)])
def test_hdr_clips_are_tone_mapped_and_say_so(tmp_path, number, name, code):
    light = 50.0
    path = tmp_path / "hdr.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        frame = av.VideoFrame(64, 64, "yuv420p10le")
        for target in (stream.codec_context, frame):
            target.colorspace, target.color_range = 9, 1
            target.color_trc, target.color_primaries = number, 9
        for plane, value in zip(frame.planes, (64 + 876 * code(light), 512, 512), strict=True):
            plane.update(round(float(value)).to_bytes(2, "little") * (plane.buffer_size // 2))
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shown = read_clip(path).frames
    assert np.ptp(shown) <= 1
    assert np.abs(shown.astype(int) - round(255 * (light / WHITE) ** (1 / 2.4))).max() <= 2
    assert probe(path).notes == (f"HDR ({name}), tone-mapped to SDR: ITU-R BT.2390, 1000 to 203 cd/m2",)


def test_colours_that_cannot_be_shown_are_refused_by_name(tmp_path):
    path = tmp_path / "ictcp.mp4"

    def tagged(stream):
        stream.codec_context.colorspace = 14

    encode(path, [ramp()] * 2, pix_fmt="yuv420p", setup=tagged)
    with pytest.raises(MediaError, match=r"BT\.2100 ICtCp"):
        read_clip(path)


def test_interlaced_clips_are_named(tmp_path):
    options = {"flags": "+ilme+ildct", "x264-params": "tff=1"}
    path = encode(tmp_path / "tv.mp4", [ramp(64, 64)] * 4, pix_fmt="yuv420p", options=options)
    assert any("interlaced" in note for note in probe(path).notes)
    assert probe(encode(tmp_path / "film.mp4", [ramp(64, 64)] * 4, pix_fmt="yuv420p")).notes == ()
