"""What must not matter: oversized profiles, damaged metadata, a decoder's grumbling; and what must."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from portraitbench.core.errors import MediaError
from portraitbench.datasets.media import probe, read_clip, read_image
from portraitbench.datasets.timeline import read_timeline

PICTURE = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _chunk(kind, body, broken=False):
    checksum = zlib.crc32(kind + body) ^ (1 if broken else 0)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _with_chunk(path, chunk):
    Image.fromarray(PICTURE).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk + data[33:])  # behind IHDR
    return path


LARGE = zlib.compress(bytes(3 * 2**20))
DISPENSABLE = {
    "profile": _chunk(b"iCCP", b"large\0\0" + LARGE),
    "text": _chunk(b"zTXt", b"Comment\0\0" + LARGE),
    "long text": _chunk(b"tEXt", b"Comment\0" + b"x" * 2**21),
    "xmp": _chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LARGE),
    "checksum of a time": _chunk(b"tIME", bytes(7), broken=True),
    "checksum of a text": _chunk(b"tEXt", b"Comment\0x", broken=True),
    "unknown": _chunk(b"prVt", b"??", broken=True),
}


@pytest.mark.parametrize("what", DISPENSABLE)
def test_dispensable_chunks_of_a_png_do_not_matter(tmp_path, what):
    path = _with_chunk(tmp_path / "a.png", DISPENSABLE[what])
    assert np.array_equal(read_image(path), PICTURE)
    assert probe(path).width == 30


def test_damage_in_what_decides_the_pixels_does(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PICTURE).save(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT")
    data[at + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(MediaError):
        read_image(path)
    broken = _with_chunk(tmp_path / "b.png", _chunk(b"tRNS", bytes(6), broken=True))
    with pytest.raises(MediaError):
        read_image(broken)


@pytest.mark.parametrize("transfer", [16, 18])
def test_an_hdr_png_is_refused_by_name(tmp_path, transfer):
    path = _with_chunk(tmp_path / "a.png", _chunk(b"cICP", bytes([9, transfer, 0, 1])))
    with pytest.raises(MediaError, match="is an HDR picture"):
        read_image(path)
    assert read_image(_with_chunk(tmp_path / "b.png", _chunk(b"cICP", bytes([1, 13, 0, 1])))).shape == PICTURE.shape


def test_an_orientation_in_a_text_chunk_still_counts(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    Image.fromarray(PICTURE).save(tmp_path / "a.png", pnginfo=info)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(PICTURE, -1))


@pytest.mark.parametrize("damage", [b"II*\0\xff\xff\xff\x7f", b"MM", b"II*\0\x08\0\0\0\xff\xff", b""])
def test_a_damaged_exif_block_does_not_matter_and_makes_no_noise(tmp_path, recwarn, capfd, damage):
    path = tmp_path / "a.jpg"
    Image.fromarray(PICTURE).save(path, quality=100, subsampling=0, exif=b"Exif\0\0" + damage)
    assert np.abs(read_image(path).astype(int) - PICTURE).mean() < 8
    probe(path)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_a_turned_tiff_has_one_size(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "scan.tif", tiffinfo={274: 6})
    info = probe(tmp_path / "scan.tif")
    assert read_image(tmp_path / "scan.tif").shape[:2] == (info.height, info.width) == (30, 20)
    assert np.array_equal(read_image(tmp_path / "scan.tif"), np.rot90(PICTURE, -1))


def _gray_tiff(path, values, bits, photometric):
    """A strip TIFF (TIFF 6.0): 16-bit values in little-endian order, others packed from the highest bit on."""
    height, width = values.shape
    if bits == 16:
        strip = values.astype("<u2").tobytes()
    else:
        rows = [[value >> bit & 1 for value in row for bit in range(bits - 1, -1, -1)] for row in values.tolist()]
        strip = b"".join(np.packbits(row).tobytes() for row in rows)
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    ifd = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + ifd)


@pytest.mark.parametrize(("bits", "photometric"), [(12, 1), (16, 1), (16, 0)])
def test_deep_gray_scans_fill_the_range(tmp_path, bits, photometric):
    values = np.linspace(0, 2**bits - 1, 40).astype(int).reshape(4, 10)
    _gray_tiff(tmp_path / "scan.tif", values, bits, photometric)
    shown = read_image(tmp_path / "scan.tif")[..., 0]
    expected = values >> (bits - 8)
    assert np.array_equal(shown, expected if photometric == 1 else 255 - expected)


def test_grumbling_over_references_is_no_damage_and_real_damage_is(shared):
    trials = shared / "trials"
    if not trials.is_dir():
        pytest.skip("needs ../shared/trials")
    assert len(read_clip(trials / "opengop_cut.mp4")) == 38
    damaged = trials / "damaged_middle.mp4"
    with pytest.raises(MediaError, match=r"is damaged at about frame 1[89]"):
        read_clip(damaged)
    with pytest.raises(MediaError, match="is damaged"):
        read_timeline(damaged, probe(damaged), seconds=Fraction(3))


def test_pictures_with_exif_in_a_clip_are_read_and_turned(tmp_path):
    """Cameras that write Motion JPEG put EXIF into every picture, which FFmpeg hands on as unknown side data."""
    exif = Image.Exif()
    exif[0x010F] = "maker"
    pictures = []
    for index in range(3):
        Image.new("RGB", (64, 48), (80 * index, 40, 90)).save(tmp_path / f"{index}.jpg", exif=exif, quality=95)
        pictures.append((tmp_path / f"{index}.jpg").read_bytes())
    path = tmp_path / "camera.mov"
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index, picture in enumerate(pictures):
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, index, index, Fraction(1, 5)
            packet.is_keyframe = True
            container.mux(packet)
    clip = read_clip(path)
    assert [round(frame[..., 0].mean() / 80) for frame in clip] == [0, 1, 2]


def test_hidden_frames_do_not_count(tmp_path, make_video, numbered_frame):
    path = tmp_path / "a.webm"
    frames = [numbered_frame(index % 100, 64, 96) for index in range(60)]
    with av.open(path, "w") as container:
        options = {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "200k", "deadline": "good"}
        stream = container.add_stream("libvpx", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    info = probe(path)
    assert info.frames == read_timeline(path, info).frames == len(read_clip(path)) == 60
    assert (info.fps, info.variable_frame_rate) == (25, False)
