"""Files as cameras and programs write them, of kinds that few people think of: read right, or refused in one line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from portraitbench.core.errors import MediaError
from portraitbench.datasets.media import probe, read_clip
from portraitbench.datasets.timeline import read_timeline

RAMP = np.add.outer(np.arange(48), 2 * np.arange(64)).astype(np.uint8)


def gray(value):
    return Image.new("RGB", (64, 48), (value,) * 3)


@pytest.mark.parametrize("ending", ["tif", "heic"])
def test_of_several_pictures_the_main_one_is_read_and_that_is_said(tmp_path, ending):
    path, main = tmp_path / f"several.{ending}", 0 if ending == "tif" else 1
    pillow_heif.register_heif_opener()
    more = {"primary_index": main} if ending == "heic" else {}
    gray(40).save(path, save_all=True, append_images=[gray(120), gray(200)], **more)
    assert abs(int(read_clip(path).frames.mean()) - [40, 120][main]) <= 2
    assert "it holds 3 pictures, of which the main one is read" in probe(path).notes
    gray(40).save(tmp_path / f"one.{ending}")
    assert probe(tmp_path / f"one.{ending}").notes == ()


def test_a_turned_heic_with_transparency_is_upright_over_black(tmp_path):
    pillow_heif.register_heif_opener()
    pixels = np.dstack([RAMP, RAMP, RAMP, np.full_like(RAMP, 255)])
    pixels[:, :32, 3] = 0
    exif = Image.Exif()
    exif[0x112] = 6  # the camera was held upright: the left side of what is stored is the top
    Image.fromarray(pixels).save(tmp_path / "a.heic", quality=-1, exif=exif.tobytes())
    shown = read_clip(tmp_path / "a.heic").frames[0].astype(int)
    assert shown.shape == (64, 48, 3)
    assert np.abs(shown[..., 0] - np.rot90(np.where(np.arange(64) < 32, 0, RAMP), -1)).max() <= 2
    assert "transparency is laid over black" in probe(tmp_path / "a.heic").notes


def test_one_gray_level_of_a_png_may_be_transparent(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.png", transparency=60)
    assert np.array_equal(read_clip(tmp_path / "a.png").frames[0][..., 1], np.where(RAMP == 60, 0, RAMP))


def test_deep_frames_are_scaled_and_gaps_between_their_numbers_are_told(tmp_path):
    for number in (1, 2, 3):
        Image.fromarray((RAMP.astype(np.uint16) + number) * 256 + 255).save(tmp_path / f"f_{number:03d}.png")
    assert np.array_equal(read_clip(tmp_path).frames[2][..., 0], RAMP + 3)
    (tmp_path / "f_003.png").rename(tmp_path / "f_006.png")
    told = r"frame 3 is missing between 1 and 6 \(3 are\): add what is missing, or number the frames without gaps$"
    with pytest.raises(MediaError, match=told):
        probe(tmp_path)


def test_times_of_a_browsers_recording_are_its_own(tmp_path):
    """40 ms between frames, and 120 ms behind every third one."""
    times = np.cumsum([0, *([120, 40, 40] * 8)[:-1]])
    with av.open(tmp_path / "a.webm", "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for row, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.asarray(gray(10 * row)))
            frame.pts, frame.time_base = int(time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    timeline = read_timeline(tmp_path / "a.webm", probe(tmp_path / "a.webm"))
    assert [round(1000 * time) for time in timeline.times] == times.tolist()
    assert timeline.index_at(Fraction(1, 10)) == 1
    assert timeline.index_at(Fraction(15, 100)) == 2


def test_the_default_one_of_two_tracks_is_read(tmp_path):
    with av.open(tmp_path / "a.mp4", "w") as container:
        tracks = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for track, side in zip(tracks, (32, 64), strict=True):
            track.width, track.height, track.pix_fmt = side, 48, "yuv420p"
        tracks[0].disposition, tracks[1].disposition = av.stream.Disposition(0), av.stream.Disposition.default
        for track, side in zip(tracks, (32, 64), strict=True):
            for value in range(0, 200, 20):
                container.mux(track.encode(av.VideoFrame.from_ndarray(np.full((48, side, 3), value, np.uint8))))
            container.mux(track.encode())
    clip = read_clip(tmp_path / "a.mp4")
    assert clip.frames.shape == (10, 48, 64, 3)
    assert np.abs(clip.frames.mean((1, 2, 3)) - np.arange(0, 200, 20)).max() < 2
    assert probe(tmp_path / "a.mp4").notes == ("video track 2 of 2 is read, the default one",)


def _loop(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _raw_video(path: Path) -> None:
    path.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(64 * 48 * 3 // 2))


def _float_tiff(path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(path, format="TIFF")


def _animated_webp(path: Path) -> None:
    gray(9).save(path, format="WEBP", save_all=True, append_images=[gray(99)], duration=100)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_loop, "Too many levels of symbolic links"),
        (_device, "is a pipe, a socket or a device: give a media file"),
        (_raw_video, "is raw YUV4MPEG2 video: read are PNG, .* clips"),
        (_float_tiff, "has 32 bits a pixel, whose range is unknown: export it as 8-bit PNG"),
        (_animated_webp, "is animated: convert it to an MP4 or MKV video, or save one frame as PNG"),
        (Path.mkdir, "is a folder without numbered pictures; give a media file, or frames like 0001.png"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, make, message):
    path = tmp_path / "x.mp4"
    make(path)
    with pytest.raises(MediaError, match=message) as caught:
        read_clip(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
