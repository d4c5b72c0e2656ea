"""Rates and times come from timestamps; a rate that nobody stated is not believed."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from portraitbench.datasets.framing import frame_file, frames_at_rate
from portraitbench.datasets.media import probe, read_clip, read_fps, read_window

SLOW_THEN_FAST = [*range(0, 2000, 200), *range(2000, 4000, 40)]
"""Milliseconds: five frames a second for two seconds, then twenty-five."""


@pytest.fixture(params=["mp4", "mkv"])
def uneven(request, tmp_path, make_video, numbered_frame):
    frames = [numbered_frame(index, 70, 70) for index in range(len(SLOW_THEN_FAST))]
    return make_video(tmp_path / f"phone.{request.param}", frames, pix_fmt="yuv420p", pts=SLOW_THEN_FAST)


def test_frames_are_brought_to_a_rate_by_their_times(uneven, frame_number):
    clip = frame_file(uneven, 70, fps=Fraction(5))
    times = np.array(SLOW_THEN_FAST)
    expected = [int(np.abs(times - 200 * number).argmin()) for number in range(20)]
    assert [frame_number(frame) for frame in clip] == expected
    assert frames_at_rate(probe(uneven), Fraction(5)) == len(clip) == 20


def test_a_variable_rate_is_stated_and_lasts_as_long(uneven):
    info = probe(uneven)
    assert info.variable_frame_rate
    assert any(note.startswith("variable frame rate, 5 to 25 frames a second") for note in info.notes)
    assert float(info.seconds) == pytest.approx(4.0, abs=0.02)
    clip = read_clip(uneven)
    assert float(len(clip) / clip.fps) == pytest.approx(4.0, abs=0.08)
    # Windows have the rate of their own frames.
    assert float(read_window(uneven, 0, 10).fps) == pytest.approx(5, abs=0.01)
    assert float(read_window(uneven, 12, 20).fps) == pytest.approx(25, abs=0.3)


def test_a_recording_without_a_rate_has_the_one_of_its_timestamps(tmp_path, numbered_frame):
    """Browsers record WebM with timestamps alone, from which FFmpeg guesses 1000 frames a second."""
    path = tmp_path / "browser.webm"
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.choice([17, 33, 34, 50], 90)).tolist()
    with av.open(path, "w") as container:
        stream = container.add_stream("libvpx", rate=30)
        stream.width, stream.height, stream.pix_fmt = 70, 56, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered_frame(index, 56, 70), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    data = path.read_bytes()
    # DefaultDuration (23E383) becomes a Void element, so that no rate is stated.
    at = data.find(bytes.fromhex("23E383"))
    if at >= 0:
        length = data[at + 3] & 0x7F
        path.write_bytes(
            data[:at] + b"\xec" + bytes([0x80 | (length + 2)]) + bytes(length + 2) + data[at + 4 + length :]
        )
    clip = read_clip(path)
    assert len(clip) == 90
    seconds = (times[-1] - times[0]) / 1000
    assert float(len(clip) / clip.fps) == pytest.approx(seconds, rel=0.03)
    assert float(read_fps(path)) == pytest.approx(89 / seconds, rel=0.01)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(60)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_even_rates_stay_what_they_are_called(tmp_path, make_video, numbered_frame, fps, suffix):
    codec = "mpeg4" if suffix == "avi" else "libx264"
    frames = [numbered_frame(index, 56, 70) for index in range(30)]
    path = make_video(tmp_path / f"a.{suffix}", frames, codec, "yuv420p", fps)
    info = probe(path)
    assert (info.fps, info.variable_frame_rate, info.frames) == (fps, False, 30)
    assert read_clip(path).fps == fps
