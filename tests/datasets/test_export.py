"""Files for people: formats by ending, colours as they were, and frames at another rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from portraitbench.core.errors import ConfigError, MediaError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.export import check_ending, export
from portraitbench.datasets.framing import at_rate, frame_file
from portraitbench.datasets.manifest import Crop
from portraitbench.datasets.media import read_clip, write_clip, write_image

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (250, 250, 250), (5, 5, 5), (128, 90, 60)]


def flat(height=32, width=32):
    return Clip(np.stack([np.full((height, width, 3), colour, np.uint8) for colour in COLOURS]), Fraction(12))


def noise(frames, height=40, width=64):
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
def test_an_mp4_plays_everywhere_and_keeps_colours_frames_and_rate(tmp_path, size):
    export(tmp_path / "a.mp4", flat(*size))
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.colorspace) == ("h264", "yuv420p", 1)
    back = read_clip(tmp_path / "a.mp4")
    assert (len(back), back.fps) == (6, 12)
    assert (back.height, back.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert np.abs(back.frames.mean((1, 2)) - COLOURS).max() < 3


def test_png_and_mkv_are_lossless_and_jpg_is_close(tmp_path):
    frames = noise(3)
    export(tmp_path / "a.mkv", Clip(frames))
    export(tmp_path / "a.png", Clip(frames[:1]))
    assert np.array_equal(read_clip(tmp_path / "a.mkv").frames, frames)
    assert np.array_equal(read_clip(tmp_path / "a.png").frames, frames[:1])
    export(tmp_path / "a.JPG", Clip(flat().frames[:1]))
    assert np.abs(read_clip(tmp_path / "a.JPG").frames.astype(int) - COLOURS[0]).max() < 4


def test_a_failed_export_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"old")
    monkeypatch.setattr(av.VideoFrame, "from_ndarray", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(tmp_path / "a.mp4", flat())
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize(
    ("name", "frames", "message"),
    [
        ("a.gif", 1, "must end in .png or .jpg for an image, in .mp4 or .mkv for a clip"),
        ("a", 2, "must end in"),
        ("a.png", 2, "there are 2 frames: write a clip"),
        ("a.mp4", 1, "there is one frame only: write an image"),
    ],
)
def test_endings_that_do_not_fit_are_refused(tmp_path, name, frames, message):
    with pytest.raises(ConfigError, match=message):
        export(tmp_path / name, Clip(noise(frames)))
    assert list(tmp_path.iterdir()) == []


def test_good_endings_pass():
    for ending in (".png", ".JPG", ".jpeg", ".mp4", ".mkv"):
        check_ending(Path(f"a{ending}"))


@pytest.mark.parametrize("own", [5, 12, 24, Fraction(30000, 1001)])
@pytest.mark.parametrize("wanted", [5, 8, 25, Fraction(24000, 1001)])
def test_each_frame_of_another_rate_is_the_nearest_in_time(own, wanted):
    own, wanted = Fraction(own), Fraction(wanted)
    marks = list(range(40))
    found = list(at_rate(marks, own, wanted))
    for number, mark in enumerate(found):
        gaps = [abs(index / own - number / wanted) for index in marks]
        assert gaps[mark] == min(gaps)
    # As long as before, up to half a frame on either side.
    assert abs(len(found) / wanted - len(marks) / own) <= 1 / own + 1 / wanted


def test_a_file_is_framed_as_suites_frame_theirs(tmp_path):
    frames = noise(5)
    write_clip(tmp_path / "a.mkv", Clip(frames, Fraction(10)))
    whole = frame_file(tmp_path / "a.mkv", 40)
    assert np.array_equal(whole.frames, frames[:, :, 12:52])
    assert whole.fps == 10
    cut = frame_file(tmp_path / "a.mkv", 16, crop=Crop(x=3, y=20, side=16), fps=Fraction(5), frames=2)
    assert np.array_equal(cut.frames, frames[[0, 2], 20:36, 3:19])
    assert cut.fps == 5


def test_a_still_picture_stays_one_frame_at_any_rate(tmp_path):
    write_image(tmp_path / "a.png", noise(1)[0])
    assert len(frame_file(tmp_path / "a.png", 16, fps=Fraction(240))) == 1


def test_a_crop_outside_the_picture_names_the_file(tmp_path):
    write_image(tmp_path / "a.png", noise(1)[0])
    with pytest.raises(MediaError, match=r"a\.png: crop of 30 pixels at \(40, 0\) leaves the picture of 64 x 40"):
        frame_file(tmp_path / "a.png", 16, crop=Crop(x=40, y=0, side=30))
    with pytest.raises(MediaError, match="no such file"):
        frame_file(tmp_path / "b.png", 16)
