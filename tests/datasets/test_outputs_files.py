from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.core.errors import MediaError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import probe, read_output, write_clip, write_output

CLIPS = st.builds(
    lambda length, height, width, seed, fps: Clip(
        np.random.default_rng(seed).integers(0, 256, (length, height, width, 3), dtype=np.uint8), fps
    ),
    st.integers(1, 5),
    st.integers(1, 39),
    st.integers(1, 39),
    st.integers(0, 2**32),
    st.fractions(Fraction(1, 2), 240, max_denominator=4000),
)


@settings(max_examples=40, deadline=None)
@given(clip=CLIPS)
def test_outputs_come_back_bit_for_bit_and_twice_the_same(tmp_path_factory, clip):
    folder = tmp_path_factory.mktemp("outputs")
    path = write_output(folder / "id01__dv.01", clip)
    assert path.name == ("id01__dv.01.png" if len(clip) == 1 else "id01__dv.01.mkv")
    first = path.read_bytes()
    again = read_output(path)
    assert np.array_equal(again.frames, clip.frames)
    assert len(clip) == 1 or again.fps == clip.fps
    assert write_output(folder / "id01__dv.01", clip).read_bytes() == first
    assert list(folder.iterdir()) == [path]


def test_smooth_motion_is_lossless_too_and_keeps_its_rate(tmp_path):
    y, x, t = np.mgrid[0:96, 0:129, 0:20]
    wave = 127 + 120 * np.sin((x + 3 * t) / 17) * np.cos((y - 2 * t) / 11)
    frames = np.stack([wave, 255 - wave, np.roll(wave, 5, 0)], -1).astype(np.uint8).transpose(2, 0, 1, 3)
    clip = Clip(frames, Fraction(12000, 1001))
    write_clip(tmp_path / "smooth.mkv", clip)
    assert np.array_equal(read_output(tmp_path / "smooth.mkv").frames, frames)
    info = probe(tmp_path / "smooth.mkv")
    assert (info.fps, info.frames, info.variable_frame_rate) == (clip.fps, 20, False)


def test_a_clip_that_cannot_be_written_leaves_the_old_file(tmp_path):
    clip = Clip(np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(MediaError, match=r"written as \.mkv"):
        write_clip(tmp_path / "a.mp4", clip)
    with pytest.raises(MediaError, match="at most 1000"):
        write_clip(tmp_path / "a.mkv", Clip(clip.frames, Fraction(1001)))
    assert list(tmp_path.iterdir()) == []
    write_clip(tmp_path / "a.mkv", clip)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the encoder says of a picture beyond its limits
        write_clip(tmp_path / "a.mkv", Clip(np.zeros((1, 2, 40_000, 3), np.uint8)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
    assert np.array_equal(read_output(tmp_path / "a.mkv").frames, clip.frames)


def test_a_foreign_file_cannot_break_the_frame_rate(tmp_path):
    import av

    path = tmp_path / "odd.mkv"
    with av.open(path, "w") as container:
        container.metadata["PORTRAITBENCH_FPS"] = "one/zero"
        stream = container.add_stream("libx264rgb", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8, 8, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8))))
        container.mux(stream.encode())
    with pytest.raises(MediaError, match=r"odd\.mkv"):
        read_output(path)
