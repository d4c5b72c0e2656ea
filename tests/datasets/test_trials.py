"""Files as people have them, from ``../shared/trials``: each with what a person sees of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from portraitbench.core.errors import MediaError
from portraitbench.datasets.framing import frame_file
from portraitbench.datasets.media import probe, read_clip
from portraitbench.datasets.timeline import read_timeline


@pytest.fixture(scope="module")
def trials(shared):
    if not (shared / "trials" / "README.md").is_file():
        pytest.skip("needs ../shared/trials")
    return shared / "trials"


def number(frame):
    """The frame number in eight blocks at the lower border, lowest bit first."""
    height, width = frame.shape[:2]
    blocks = [frame[-height // 32 :, bit * width // 8 + 2 : (bit + 1) * width // 8 - 2] for bit in range(8)]
    return sum(1 << bit for bit, block in enumerate(blocks) if block.mean() > 127)


SHOWN = {
    # name: frames, height, width, mean of all pixels, a word of the notes
    "phone_grid.heic": (1, 512, 512, 99.3, ""),
    "phone_exif.heic": (1, 512, 384, 99.3, ""),
    "heic_called.jpg": (1, 512, 512, 99.3, ""),
    "sar_2_1.mp4": (60, 256, 256, 110.3, "not square"),
    "display_512x256.mkv": (60, 256, 512, 110.3, "not square"),
    "hdr_pq.mp4": (60, 256, 256, 110.3, "HDR (PQ)"),
    "alpha_vp9.webm": (60, 256, 256, 62.6, "over black"),
    "alpha.avif": (1, 512, 512, 64.7, "over black"),
    "altref60_vp8.webm": (60, 256, 256, 110.2, ""),
    "opengop_cut.mp4": (38, 256, 256, 111.1, ""),
    "photos_exif.mov": (15, 256, 256, 108.5, ""),
    "icc2mb.png": (1, 256, 256, 99.3, ""),
    "badcrc_ancillary.png": (1, 256, 256, 99.3, ""),
    "exif_bad_offset.jpg": (1, 256, 256, 99.3, ""),
    "mediarecorder5s.webm": (150, 128, 128, 110.0, ""),
    "vfr_dark.mp4": (60, 256, 256, 110.3, "variable"),
    "twotrack.mkv": (60, 256, 256, 110.3, "track 2 of 2"),
    "scan_orientation6.tif": (1, 512, 256, 91.6, ""),
    "gray12.tif": (1, 256, 256, 103.4, ""),
    "saved_by_browser.jfif": (1, 512, 512, 98.1, ""),
    "phone.3gp": (60, 256, 256, 110.3, ""),
}
REFUSED = {
    "moving.avif": "is animated",
    "damaged_middle.mp4": "is damaged",
    "half.jpg": "truncated",
    "resize_vp8.webm": "change size",
    "old.wmv": "a Windows Media file",
    "web_page.jpg": "an HTML page",
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_seen(trials, name, recwarn, capfd):
    frames, height, width, mean, note = SHOWN[name]
    clip, info = read_clip(trials / name), probe(trials / name)
    assert clip.frames.shape[:3] == (frames, height, width)
    assert (info.frames, info.height, info.width) == (frames, height, width)
    assert abs(clip.frames.mean() - mean) < 1.5
    assert note in "; ".join(info.notes)
    assert bool(note) or not info.notes or "variable" in info.notes[0]
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(trials, name):
    with pytest.raises(MediaError, match=REFUSED[name]):
        read_timeline(trials / name, probe(trials / name), seconds=Fraction(3))


def test_the_transparent_corners_are_black_and_the_rest_is_not(trials):
    assert read_clip(trials / "alpha_vp9.webm").frames[:, :20, :20].max() <= 2
    picture = read_clip(trials / "alpha.avif").frames[0]
    halves = sorted((picture[:, :256].mean(), picture[:, 256:].mean()))
    assert halves[0] < 20 < 90 < halves[1]


def test_hdr_has_the_contrast_of_the_sdr_original(trials):
    hdr, sdr = read_clip(trials / "hdr_pq.mp4").frames, read_clip(trials / "phone.3gp").frames
    assert abs(hdr.std() - sdr.std()) < 1.5
    assert np.abs(hdr.astype(int) - sdr).mean() < 4


def test_five_a_second_of_a_dark_clip(trials):
    clip = frame_file(trials / "vfr_dark.mp4", 256, fps=Fraction(5))
    assert [number(frame) for frame in clip] == [*range(10), *range(10, 60, 5)]


def test_a_browsers_recording_lasts_as_long_as_it_took(trials):
    clip = read_clip(trials / "mediarecorder5s.webm")
    assert float(len(clip) / clip.fps) == pytest.approx(5.1, abs=0.1)
