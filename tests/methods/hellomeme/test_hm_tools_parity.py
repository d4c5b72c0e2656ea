"""Our face tools against upstream's own on the same crafted models; skipped without a checkout of it."""

from __future__ import annotations

import os

import hm_faces
import numpy as np
import pytest
import torch

if not os.environ.get("HELLOMEME_UPSTREAM"):
    pytest.skip("needs HELLOMEME_UPSTREAM, a checkout of HelloMeme", allow_module_level=True)

import hm_faces_upstream

from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.inputs import Control, FaceSettings
from portraitbench.methods.hellomeme.tools import load_tools

EXACT = {"canvas": 0, "condition": 0, "reference": 1e-6}
NUMBERS = {"rotation": 5e-5, "translation": 5e-5, "coefficients": 5e-5}
"""Upstream holds points in float32, ours are float64."""
LEVEL = {"expression_faces": 2.01 / 255, "face_parts": 0.032}
"""One gray level, which that difference moves in a few pixels of these pictures."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return hm_faces.save_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("crop_reference", [True, False])
@pytest.mark.parametrize("hidden", [(), (0, 3)], ids=str)
def test_answers_are_upstreams(root, hidden, crop_reference):
    identity, clip = Clip.from_image(hm_faces.portrait((400, 420), 0.1, seed=4)), hm_faces.moving_clip(6, hidden)
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
            assert apart.max() <= (EXACT | NUMBERS | LEVEL)[name], name
            if name in LEVEL:
                assert (apart > 1e-4).double().mean() < 0.002, name
