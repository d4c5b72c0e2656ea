"""What a file is, by its content; and that everything else is refused by name."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from portraitbench.core.errors import MediaError
from portraitbench.datasets.filetype import type_of
from portraitbench.datasets.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, probe, read_clip, read_image

PICTURE = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8).repeat(32, 0).repeat(32, 1)


@pytest.mark.parametrize(("name", "orientation"), [("a.heic", 1), ("called.jpg", 1), ("a.avif", 1), ("a.avif", 6)])
def test_heic_and_avif_are_read_whole_and_upright(tmp_path, name, orientation):
    path = tmp_path / name
    exif = Image.Exif()
    exif[0x0112] = orientation
    form = "AVIF" if name.endswith("avif") else "HEIF"
    Image.fromarray(PICTURE).save(path, format=form, quality=95, exif=exif)
    expected = np.rot90(PICTURE, -1) if orientation == 6 else PICTURE
    frame, info = read_image(path), probe(path)
    assert frame.shape == expected.shape == (info.height, info.width, 3)
    assert np.abs(frame.astype(int) - expected).mean() < 12


def test_transparency_of_heic_and_avif_is_over_black(tmp_path):
    rgba = np.concatenate([np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 1), 255, np.uint8)], 2)
    rgba[:, :32, 3] = 0
    for name in ("a.avif", "a.heic"):
        Image.fromarray(rgba).save(tmp_path / name, quality=95)
        frame = read_image(tmp_path / name)
        assert frame[:, :24].max() <= 3
        assert frame[:, 40:].min() > 190


def test_a_moving_avif_is_refused_by_name(tmp_path):
    frames = [Image.fromarray(np.full((64, 64, 3), value, np.uint8)) for value in (0, 100, 200)]
    frames[0].save(tmp_path / "moving.avif", save_all=True, append_images=frames[1:])
    for read in (read_image, probe, read_clip):
        with pytest.raises(MediaError, match="is animated"):
            read(tmp_path / "moving.avif")


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_stills_are_refused_by_name(tmp_path, transfer):
    heif = pillow_heif.from_pillow(Image.fromarray(PICTURE))
    heif.save(tmp_path / "hdr.heic", color_primaries=9, transfer_characteristics=transfer, matrix_coefficients=9)
    with pytest.raises(MediaError, match="is an HDR picture"):
        read_image(tmp_path / "hdr.heic")


OTHERS = {
    "an HTML page": b"<!DOCTYPE html><title>404</title>",
    "an HTML page, ": b"\n\n  <html><head>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    "a Windows Media file": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100),
    "a JPEG 2000 picture": bytes.fromhex("0000000c6a5020200d0a870a") + bytes(20),
    "a JPEG XL picture": b"\xff\n" + bytes(20),
    "a ZIP archive": b"PK\x03\x04" + bytes(20),
    "a PDF document": b"%PDF-1.7\n",
    "a text file": "un texte é".encode(),
    "an SVG drawing": b"<svg xmlns='http://www.w3.org/2000/svg'>",
    "a WAV sound file": b"RIFF\0\0\0\0WAVEfmt ",
    "a Netpbm picture": b"P6\n4 4\n255\n" + bytes(48),
    "a bare MPEG video stream": b"\0\0\x01\xb3" + bytes(50),
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("suffix", ["jpg", "mp4"])
def test_what_is_no_media_is_refused_by_what_it_is(tmp_path, what, suffix):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(OTHERS[what])
    for read in (probe, read_clip):
        with pytest.raises(MediaError, match=rf"x\.{suffix}: is {what}.*: read are PNG, JPEG"):
            read(path)


def test_garbage_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(MediaError, match="of no format that is read here"):
        probe(path)


def test_pipes_sockets_and_devices_are_refused_without_waiting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        Path("device.png").symlink_to("/dev/zero")
        for name in ("pipe.png", "socket.png", "device.png"):
            for read in (probe, read_clip, read_image):
                with pytest.raises(MediaError, match="a pipe, a socket or a device"):
                    read(tmp_path / name)


def test_every_ending_of_a_format_that_is_read_is_taken():
    assert {".jfif", ".jpe", ".gif", ".avif", ".heic", ".heif", ".png", ".tiff"} <= IMAGE_SUFFIXES
    assert {".3gp", ".ts", ".m2ts", ".mts", ".flv", ".mpg", ".ogv", ".mp4", ".mkv", ".webm"} <= VIDEO_SUFFIXES
    assert not IMAGE_SUFFIXES & VIDEO_SUFFIXES


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("3gp", "libx264"),
        ("ts", "mpeg2video"),
        ("flv", "flv"),
        ("mpg", "mpeg2video"),
        ("avi", "mpeg4"),
        ("mov", "mjpeg"),
    ],
)
def test_clips_of_all_containers_are_told_by_content(tmp_path, make_video, numbered_frame, frame_number, suffix, codec):
    frames = [numbered_frame(index, 64, 80) for index in range(12)]
    path = make_video(tmp_path / f"a.{suffix}", frames, codec, "yuvj420p" if codec == "mjpeg" else "yuv420p")
    assert type_of(path.read_bytes()[:4096]).kind == "video"
    clip = read_clip(path.rename(tmp_path / "no-ending"))
    assert [frame_number(frame) for frame in clip] == list(range(12))


def test_pictures_of_all_formats_are_told_by_content():
    for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"):
        buffer = io.BytesIO()
        Image.fromarray(PICTURE).save(buffer, format=form)
        assert type_of(buffer.getvalue()[:4096]).kind == "image", form
