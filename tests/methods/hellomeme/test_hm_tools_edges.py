"""The face tools as a whole on real photographs, and on what a user may hand in: each works or fails in one line.

The crafted models see a face where there is a red mark, so one is painted.
"""

from __future__ import annotations

from fractions import Fraction

import hm_faces
import numpy as np
import pytest
import torch
from PIL import Image

from portraitbench.core.errors import NoFaceError, WeightsError
from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.face.landmarks import LandmarkReader
from portraitbench.methods.hellomeme.face_tools import load_tools
from portraitbench.methods.hellomeme.inputs import Control, FaceSettings

SIZES = [(333, 517), (517, 333), (1021, 409), (361, 1200)]
"""Odd, upright and wide; faces of a third of the width reach the 96 pixels that are asked for."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return hm_faces.save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module", params=Control)
def tools(request, root):
    return load_tools(FaceSettings(request.param), root, "cpu")


@pytest.fixture
def photograph(shared):
    """Read one of the set's people at some size."""

    def read(row, width, height):
        path = sorted((shared / "portraits" / "identities").iterdir())[row]
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))

    return read


def marked(photo, x=0.5, y=0.5):
    """A photograph with the mark at a share of its sides, as wide as a face of which the detector is sure."""
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    u, v = (columns - x * (width - 1)) / (0.0015 * width), (rows - y * (height - 1)) / (0.0015 * width)
    mark = np.stack([250 - 0.9 * abs(u + 5) - 0.7 * abs(v - 3), 20 + 0.1 * u, 15 + 0.1 * v], axis=-1)
    is_inside = (abs(u) < 60) & (abs(v) < 60)
    return np.where(is_inside[..., None], np.clip(mark, 0, 255), photo).astype(np.uint8)


def check(out, frames):
    """Everything is there, finite, and not the same everywhere."""
    assert len(out.canvas) == frames
    for value in (out.reference, out.condition, out.expression_faces, out.coefficients, out.face_parts):
        assert value is None or (torch.isfinite(value).all() and value.std() > 0)


@pytest.mark.parametrize(("row", "size"), list(enumerate(SIZES)), ids=str)
def test_photographs_of_any_shape_are_read(tools, photograph, row, size):
    photo = photograph(row, *size)
    driving = Clip(np.stack([marked(photo, 0.5, 0.5), marked(photo, 0.53, 0.48)]), Fraction(8))
    check(tools.prepare(Clip.from_image(marked(photo)), driving), 2)


@pytest.mark.parametrize("place", [(0, 0.5), (0.5, 0), (0.08, 0.12)], ids=["left", "top", "near the corner"])
@pytest.mark.parametrize("size", [(512, 512), (700, 401), (401, 700)], ids=str)
def test_a_face_cut_by_the_border_is_read(tools, photograph, size, place):
    at_border = Clip.from_image(marked(photograph(4, *size), *place))
    middle = Clip.from_image(hm_faces.portrait((400, 420)))
    check(tools.prepare(at_border, middle), 1)
    check(tools.prepare(middle, at_border), 1)


def test_a_face_lost_in_the_corner_is_named(tools, photograph):
    corner = Clip.from_image(marked(photograph(4, 512, 512), 1, 1))
    with pytest.raises(NoFaceError, match=r"^the driving clip shows no face of 96 pixels or more [^\n]*$"):
        tools.prepare(Clip.from_image(marked(photograph(4, 512, 512))), corner)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 300), (300, 1), (60, 60)], ids=str)
def test_a_picture_too_small_for_a_face_has_none(tools, photograph, size):
    small = Clip.from_image(marked(photograph(5, *size)))
    with pytest.raises(NoFaceError, match=r"^the identity image shows no face of 96 pixels or more [^\n]*$"):
        tools.prepare(small, small)


def test_a_gray_photograph_is_a_photograph(tools, photograph):
    gray = np.repeat(photograph(6, 512, 512).mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    check(tools.prepare(Clip.from_image(marked(gray)), Clip.from_image(marked(gray, 0.55))), 1)
    with pytest.raises(NoFaceError, match="the driving clip shows no face"):
        tools.prepare(Clip.from_image(marked(gray)), Clip.from_image(gray))


def test_a_clip_may_begin_without_a_face(tools, photograph):
    photo = photograph(7, 540, 500)
    frames = [photo, photo, marked(photo), marked(photo, 0.52), photo]
    out = tools.prepare(Clip.from_image(marked(photo)), Clip(np.stack(frames), Fraction(8)))
    check(out, 5)
    assert out.held == (0, 1, 4)
    for held, shown in {0: 2, 1: 2, 4: 3}.items():
        assert torch.equal(out.condition[held], out.condition[shown])
    assert not np.array_equal(out.rotation[2], out.rotation[3])


def test_points_in_one_place_are_no_face():
    answers = [np.full(444, 0.4), [0.1, 0.2], [0.9]]
    reader = LandmarkReader(lambda image: [np.float32([answer]) for answer in answers])
    assert reader.in_box(hm_faces.portrait((400, 400)), np.array([300.0, 300, 500, 500])).score == 0


def test_a_landmark_file_with_too_few_outputs_is_one_line():
    reader = LandmarkReader(lambda image: [np.zeros((1, 444), np.float32)])
    with pytest.raises(WeightsError, match=r"^method hellomeme: the landmark network answers 1 times: [^\n]*$"):
        reader.in_box(hm_faces.portrait((400, 400)), np.array([300.0, 300, 500, 500]))
