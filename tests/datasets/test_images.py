from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from portraitbench.core.errors import MediaError
from portraitbench.datasets.media import Limits, probe, read_clip, read_image, read_window, write_image


def _picture(height=6, width=9):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


# EXIF 2.32, tag 0x0112: where row 0 and column 0 of the stored picture belong on screen.
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(tmp_path, orientation):
    stored = _picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "phone.png"
    Image.fromarray(stored).save(path, exif=exif)
    expected = UPRIGHT[orientation](stored)
    assert np.array_equal(read_image(path), expected)
    info = probe(path)
    assert (info.height, info.width) == expected.shape[:2]


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_transparency_is_composited_over_black(tmp_path, suffix):
    rgba = np.concatenate([_picture(), np.full((6, 9, 1), 255, np.uint8)], 2)
    rgba[:3, :, 3], rgba[3, :, 3] = 0, 100
    path = tmp_path / f"cut-out.{suffix}"
    Image.fromarray(rgba).save(path, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    expected = rgba[..., :3] * (rgba[..., 3:] / 255)
    assert np.abs(read_image(path) - expected).max() <= 1


def test_gray_palette_and_bilevel_become_rgb(tmp_path):
    gray = _picture()[..., 0]
    for mode in ("L", "LA", "1", "P"):
        path = tmp_path / f"{mode}.png"
        image = Image.fromarray(gray).convert(mode)
        image.save(path)
        expected = np.where(gray > 127, 255, 0) if mode == "1" else gray
        pixels = read_image(path)
        assert pixels.dtype == np.uint8
        if mode != "1":  # "1" is dithered, so only its values are certain
            assert np.array_equal(pixels, np.repeat(expected[..., None], 3, 2))
        assert set(np.unique(pixels)) <= set(np.unique(expected)) | {0, 255}


def test_a_transparent_palette_entry_is_black(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.save(tmp_path / "p.png", transparency=1)
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [0, 0, 0]]]


def test_sixteen_bits_keep_their_high_byte(tmp_path):
    deep = np.random.default_rng(2).integers(0, 65536, (5, 7)).astype(np.uint16)
    for suffix in ("png", "tiff"):
        path = tmp_path / f"deep.{suffix}"
        Image.fromarray(deep).save(path)
        assert np.array_equal(read_image(path), np.repeat((deep // 256).astype(np.uint8)[..., None], 3, 2))
    float_path = tmp_path / "float.tiff"
    Image.fromarray(deep.astype(np.float32)).save(float_path)
    with pytest.raises(MediaError, match="32 bits"):
        read_image(float_path)


def test_cmyk_jpeg(tmp_path):
    path = tmp_path / "print.jpg"
    cyan, magenta, yellow, key = 200, 30, 90, 40
    Image.new("CMYK", (16, 16), (cyan, magenta, yellow, key)).save(path, quality=100)
    expected = [(255 - ink) * (255 - key) / 255 for ink in (cyan, magenta, yellow)]
    assert np.abs(read_image(path).reshape(-1, 3) - expected).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_animations_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(_picture()), Image.fromarray(255 - _picture())]
    path = tmp_path / f"moving.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    for read in (read_image, probe, read_clip):
        with pytest.raises(MediaError, match=f"moving.{suffix}: is animated: convert it"):
            read(path)


def test_multi_picture_jpegs_of_phones_give_their_main_picture(tmp_path):
    main, extra = (Image.new("RGB", (16, 16), colour) for colour in ((200, 30, 60), (0, 0, 0)))
    main.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[extra])
    assert np.abs(read_image(tmp_path / "phone.jpg").reshape(-1, 3).astype(int) - (200, 30, 60)).max() <= 2


def test_the_content_decides_not_the_suffix(tmp_path):
    path = tmp_path / "really-a-jpeg.png"
    Image.fromarray(np.full((8, 8, 3), 77, np.uint8)).save(path, format="JPEG")
    assert probe(path).codec == "jpeg"
    assert (read_image(path) == 77).all()


def test_an_image_is_a_window_of_one_frame(tmp_path):
    path = tmp_path / "one.png"
    write_image(path, _picture(1, 1))
    assert read_window(path, 0, 1).is_image
    with pytest.raises(MediaError, match=r"one\.png: is a still picture, and frames 1 to 1 are asked for"):
        read_window(path, 1, 1)
    with pytest.raises(MediaError, match="frames 0 to 4"):
        read_window(path, 0, 5)


@settings(max_examples=30, deadline=None)
@given(pixels=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_round_trip_is_exact_and_deterministic(tmp_path_factory, pixels):
    folder = tmp_path_factory.mktemp("png")
    write_image(folder / "a" / "x.png", pixels)
    write_image(folder / "y.png", pixels)
    assert np.array_equal(read_image(folder / "a" / "x.png"), pixels)
    assert (folder / "a" / "x.png").read_bytes() == (folder / "y.png").read_bytes()
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["y.png"]


def _png_header(width, height):
    """A PNG that claims a size and holds one byte of pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (20_000, 20_000, "enormous|more than the limit"),
        (9_000, 9_000, "9000 x 9000 pixels is more than the limit"),
        (12_000, 12_000, "12000 x 12000 pixels is more than the limit"),
        (20_000, 8, "16384 a side"),
        (2_000_000_000, 2_000_000_000, "enormous|more than the limit"),
    ],
)
def test_bombs_are_refused_by_their_header(tmp_path, width, height, message):
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(width, height))
    for read in (read_image, probe, read_clip):
        with pytest.raises(MediaError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "decoded" not in str(caught.value)


def test_limits_can_be_raised(tmp_path):
    path = tmp_path / "wide.png"
    write_image(path, np.zeros((1, 40, 3), np.uint8))
    with pytest.raises(MediaError, match="40 x 1"):
        read_image(path, Limits(max_side=39))
    assert read_image(path, Limits(max_side=40)).shape == (1, 40, 3)


def test_truncation_anywhere_is_an_error(tmp_path):
    for suffix in ("png", "jpeg", "webp", "bmp"):
        buffer = io.BytesIO()
        Image.fromarray(_picture(32, 32)).save(buffer, format=suffix)
        whole = buffer.getvalue()
        path = tmp_path / f"cut.{suffix}"
        for share in (0.02, 0.3, 0.6, 0.9):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(MediaError) as caught:
                read_image(path)
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)
