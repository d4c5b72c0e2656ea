from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.core.errors import ManifestError, MediaError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.framing import frame_square, frame_window, largest_square
from portraitbench.datasets.manifest import Crop, Suite, Window
from portraitbench.datasets.media import write_clip, write_image

ASSET = {"path": "x", "sha256": "0" * 64, "bytes": 1, "media": "video", "licence": "x", "provenance": "x"}


def _suite(size):
    clips = [{"id": "c", "asset": "a", "identity_frame": 0, "start": 1, "frames": 1}]
    data = {"schema": 1, "name": "s", "title": "s", "kind": "self-video", "size": size}
    return Suite.model_validate({**data, "assets": {"a": ASSET}, "clips": clips})


def _noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), height=st.integers(32, 70), width=st.integers(32, 70))
def test_a_crop_of_the_canvas_size_is_untouched(tmp_path_factory, data, height, width):
    crop = Crop(x=data.draw(st.integers(0, width - 32)), y=data.draw(st.integers(0, height - 32)), side=32)
    frame = _noise(height, width, 3)
    path = tmp_path_factory.mktemp("crop") / "a.png"
    write_image(path, frame)
    clip = frame_window(_suite(32), Window(asset="a", crop=crop), path)
    assert np.array_equal(clip.frames[0], frame[crop.y : crop.y + 32, crop.x : crop.x + 32])


def test_without_a_crop_the_largest_centred_square_is_taken(tmp_path):
    frame = _noise(40, 65, 3)
    write_image(tmp_path / "a.png", frame)
    clip = frame_window(_suite(40), Window(asset="a"), tmp_path / "a.png")
    assert np.array_equal(clip.frames[0], frame[:, 12:52])
    assert largest_square(9, 30) == Crop(x=0, y=10, side=9)


def test_resizing_keeps_flat_colours_positions_and_scale():
    y, x = np.mgrid[0:120, 0:160].astype(float)
    ramp = np.stack([x, y, np.full_like(x, 77)], -1).round().astype(np.uint8)
    crop = Crop(x=30, y=10, side=100)
    for size in (50, 200):
        out = frame_square(ramp, crop, size).astype(float)
        # Pixel centres: output column i lies at x0 + (i + 0.5) * side / size - 0.5 of the picture.
        at = (np.arange(size) + 0.5) * 100 / size - 0.5
        inner = slice(4, -4)
        assert np.abs(out[inner, inner, 0] - (30 + at)[None, inner]).max() <= 1
        assert np.abs(out[inner, inner, 1] - (10 + at)[inner, None]).max() <= 1
        assert (out[..., 2] == 77).all()


def test_shrinking_does_not_alias():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    out = frame_square(stripes, Crop(x=0, y=0, side=256), 32)[4:-4, 4:-4]
    assert np.abs(out.astype(float) - 127.5).max() <= 2


def test_a_window_of_a_clip_keeps_its_frames_and_rate(tmp_path):
    frames = _noise(9, 48, 40, 3)
    write_clip(tmp_path / "a.mkv", Clip(frames, Fraction(12000, 1001)))
    clip = frame_window(_suite(40), Window(asset="a", start=3, frames=4), tmp_path / "a.mkv")
    assert np.array_equal(clip.frames, frames[3:7, 4:44])
    assert clip.fps == Fraction(12000, 1001)
    with pytest.raises(MediaError, match="has 9 frames"):
        frame_window(_suite(40), Window(asset="a", start=3, frames=7), tmp_path / "a.mkv")


@pytest.mark.parametrize("crop", [Crop(x=9, y=0, side=32), Crop(x=0, y=17, side=32), Crop(x=0, y=0, side=49)])
def test_a_crop_outside_the_picture_names_asset_and_sizes(tmp_path, crop):
    write_image(tmp_path / "a.png", _noise(48, 40, 3))
    with pytest.raises(ManifestError, match=rf"asset a: crop of {crop.side} pixels at .* picture of 40 x 48"):
        frame_window(_suite(32), Window(asset="a", crop=crop), tmp_path / "a.png")


def test_a_picture_too_small_for_any_crop_is_refused(tmp_path):
    write_image(tmp_path / "a.png", _noise(1, 1, 3))
    with pytest.raises(ManifestError, match="1 x 1 pixels is too small"):
        frame_window(_suite(32), Window(asset="a"), tmp_path / "a.png")
