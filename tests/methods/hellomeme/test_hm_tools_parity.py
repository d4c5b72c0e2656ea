"""Our face tools against upstream's own on the same crafted models; skipped without a checkout of it."""

from __future__ import annotations

import os
from fractions import Fraction

import hm_faces
import numpy as np
import pytest
import torch
from hm_faces_golden import CLIPS
from PIL import Image

if not os.environ.get("HELLOMEME_UPSTREAM"):
    pytest.skip("needs HELLOMEME_UPSTREAM, a checkout of HelloMeme", allow_module_level=True)

import hm_faces_upstream
import hm_filling
from test_hm_tools_edges import marked

from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.face.tracking import Track, without_overlaps
from portraitbench.methods.hellomeme.face_tools import load_tools
from portraitbench.methods.hellomeme.inputs import Control, FaceSettings

APART = {"reference": 1e-6}
"""Everything else is equal to the last bit."""
LEVEL = {"expression_faces": 2.01 / 255, "face_parts": 0.032}
"""One gray level in a few pixels: the similarity that these pictures are moved by is computed in another order."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return hm_faces.save_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("crop_reference", [True, False])
@pytest.mark.parametrize("hidden", [(), (0, 3)], ids=str)
def test_answers_are_upstreams(root, hidden, crop_reference):
    identity, clip = Clip.from_image(hm_faces.portrait((400, 420), 0.1, seed=4)), hm_faces.moving_clip(6, hidden)
    compare(root, identity, clip, crop_reference, hidden)


@pytest.mark.parametrize("rows", [slice(170, 670), slice(90, 731), slice(203, 702)], ids=str)
def test_answers_are_upstreams_where_the_face_fills_the_frame(root, rows):
    identity, clip = hm_faces.portrait((410, 425), -0.1, seed=6)[rows], hm_faces.moving_clip(6).frames[:, rows]
    compare(root, Clip.from_image(identity), Clip(np.ascontiguousarray(clip), Fraction(8)), crop_reference=True)


@pytest.mark.parametrize("seed", range(6))
def test_answers_on_photographs_of_any_shape_are_upstreams(root, shared, seed):
    draw = np.random.default_rng(seed)
    paths, size = sorted((shared / "portraits" / "identities").iterdir()), draw.integers(330, 900, 2).tolist()
    photos = [np.asarray(Image.open(paths[row]).convert("RGB").resize(size)) for row in draw.integers(0, 10, 2)]
    places = draw.uniform(0.2, 0.7, 2) + draw.uniform(-0.03, 0.03, (4, 2)).cumsum(axis=0)
    clip = Clip(np.stack([marked(photos[1], *place) for place in places]), Fraction(8))
    compare(root, Clip.from_image(marked(photos[0])), clip, crop_reference=True)


def test_windows_around_faces_that_fill_the_frame_are_upstreams_to_the_pixel():
    seeds = range(CLIPS, 2 * CLIPS)  # the first ones are kept as golden answers
    assert {seed: hm_filling.window(seed) for seed in seeds} == {seed: hm_faces_upstream.window(seed) for seed in seeds}


def test_of_overlapping_faces_the_same_ones_last():
    draw = np.random.default_rng(5)
    for _ in range(300):
        corners, sizes = draw.uniform(0, 200, (5, 2)), draw.uniform(97, 300, (5, 2))
        boxes = np.hstack([corners, corners + sizes]).astype(np.float32)
        tracks = [Track(box, 1.0) for box in boxes]
        assert [tracks.index(track) for track in without_overlaps(tracks)] == hm_faces_upstream.kept(boxes)


def compare(root, identity, clip, crop_reference, hidden=()):
    expected = hm_faces_upstream.prepare(root, identity, clip, crop_reference=crop_reference)
    for control in Control:
        settings = FaceSettings(control, hm_faces_upstream.RATIO, crop_reference)
        found = load_tools(settings, root, "cpu").prepare(identity, clip)
        assert found.held == hidden
        kept = np.flatnonzero(found.found)
        for name, value in expected.items():
            own = found.canvas.frames if name == "canvas" else getattr(found, name, None)
            if own is None:
                continue
            own = torch.tensor(np.asarray(own)).double()
            apart = ((own if name == "reference" else own[kept]) - value.double()).abs()
            assert apart.max() <= (APART | LEVEL).get(name, 0), name
            if name in LEVEL:
                assert (apart > 1e-4).double().mean() < 0.002, name
