"""Preprocessing of a whole case, with face sources that know where the faces are."""

from __future__ import annotations

import importlib.util
from fractions import Fraction

import numpy as np
import pytest
import torch

from portraitbench.core.errors import NoFaceError
from portraitbench.datasets.clip import Clip
from portraitbench.faces.base import BackendInfo, Face, Grade
from portraitbench.faces.observer import Observer
from portraitbench.methods.hunyuanportrait.dry_run_faces import stand_in_detector
from portraitbench.methods.hunyuanportrait.face_boxes import DetectedFaces, ObservedFaces
from portraitbench.methods.hunyuanportrait.intensity import intensities
from portraitbench.methods.hunyuanportrait.preprocessing import (
    appearance_picture,
    identity_crop,
    preprocess,
    unit,
)

FACE = np.array([[-12.0, -8], [12, -8], [0, 2], [-9, 14], [9, 14]])
"""Five landmarks about the middle of a face of 60 by 70 pixels."""


class Marked:
    """Finds faces where a frame's first pixels say so: red x and green y of the middle, blue the half width."""

    info = BackendInfo("marked", "1", "none", "ours", grade=Grade.TEST)

    def detect(self, frames):
        return [[self.face(*map(float, pixel)) for pixel in frame[0, :3] if pixel[2]] for frame in frames]

    @staticmethod
    def face(x, y, half):
        points = FACE * half / 30 + [x, y]
        return Face(np.array([x - half, y - half * 7 / 6, x + half, y + half * 7 / 6]), 1.0, points)

    def landmarks(self, frames, faces):
        grid = np.zeros((68, 2))
        spread = {range(36, 42): 0, range(42, 48): 1, range(30, 31): 2, range(48, 49): 3, range(54, 55): 4}
        for rows, point in spread.items():
            grid[list(rows)] = FACE[point]
        middles = [np.array([face.box[::2].mean(), face.box[1::2].mean()]) for face in faces]
        return np.stack([grid + middle for middle in middles])


def frame(*faces, side=200, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    pixels[0, :3] = 0
    for row, face in enumerate(faces):
        pixels[0, row] = face
    return pixels


class EverywhereInCrops(Marked):
    """Marked, but in pictures of the canvas' size it sees a face in the middle: the mark was cut away there."""

    side = 96

    def detect(self, frames):
        middle = self.side / 2
        return [
            [self.face(middle, middle, 16.0)]
            if len(one) == self.side
            else super(EverywhereInCrops, self).detect([one])[0]
            for one in frames
        ]


def case(*driving):
    return Clip(frame((100, 100, 30))[None]), Clip(np.stack(driving), Fraction(24))


def run(*driving, faces=None):
    return preprocess(*case(*driving), faces or DetectedFaces(EverywhereInCrops()), 96)


def test_everything_has_the_shape_that_the_encoders_read():
    found = run(*(frame((100, 100 + row, 30), seed=row) for row in range(27)))
    assert found.portrait.shape == (96, 96, 3)
    assert found.identity.shape == (1, 3, 112, 112)
    assert found.expressions.shape == found.poses.shape == (27, 256, 256, 3)
    assert found.canvas.frames.shape == (27, 96, 96, 3)
    assert found.canvas.fps == Fraction(24)
    assert len(found.intensities) == 2


def test_the_window_and_the_box_of_the_expression_are_the_first_frames():
    """The second driving frame's face lies elsewhere: its window stays, its landmarks count."""
    from portraitbench.methods.hunyuanportrait.crops import crop_expression, crop_portrait, portrait_box

    driving = frame((80, 90, 20), seed=1), frame((95, 100, 20), seed=2)
    found = run(*driving)
    first = Marked.face(80, 90, 20)
    window = portrait_box(first.box, 200, 200)
    assert np.array_equal(found.canvas.frames[1], crop_portrait(driving[1], window, 96))
    own = Marked.face(95, 100, 20)
    assert np.array_equal(found.expressions[1], crop_expression(driving[1], own.points, first.box, 256))
    assert found.intensities == intensities(np.stack([first.points, own.points]))


def test_the_largest_face_counts_in_each_frame():
    alone = run(frame((80, 90, 30), seed=1))
    beside = frame((150, 150, 10), (80, 90, 30), seed=1)
    beside[0, :3] = frame((80, 90, 30), seed=1)[0, :3]
    marked = beside.copy()
    marked[0, 0], marked[0, 1] = (150, 150, 10), (80, 90, 30)
    found = run(marked)
    assert found.box == alone.box
    assert np.array_equal(found.canvas.frames[0][20:], alone.canvas.frames[0][20:])


def test_a_driving_frame_without_a_face_is_named():
    with pytest.raises(NoFaceError, match=r"2 of 4 driving frames show no face \(from 0: 1, 3\)"):
        run(frame((80, 90, 20)), frame(), frame((80, 90, 20)), frame())
    with pytest.raises(NoFaceError, match=r"7 of 7 .*0, 1, 2, 3, 4, \.\.\."):
        run(*[frame()] * 7)


def test_an_identity_without_a_face_is_a_typed_row():
    driving = Clip(frame((80, 90, 20))[None])
    with pytest.raises(NoFaceError, match=r"the identity image shows no face$"):
        preprocess(Clip(frame()[None]), driving, DetectedFaces(EverywhereInCrops()), 96)

    class OnlyInFrames(EverywhereInCrops):
        def detect(self, frames):
            return [[] if len(one) == 96 else Marked.detect(self, [one])[0] for one in frames]

    with pytest.raises(NoFaceError, match="cut out around"):
        preprocess(Clip(frame((100, 100, 30))[None]), driving, DetectedFaces(OnlyInFrames()), 96)


def test_a_clip_is_looked_at_once_however_many_cases_it_drives():
    looked = []

    class Counting(EverywhereInCrops):
        def detect(self, frames):
            looked.extend(frames)
            return super().detect(frames)

    faces = DetectedFaces(Counting())
    driving = [frame((80, 90, 20), seed=row) for row in range(3)]
    run(*driving, faces=faces)
    first = len(looked)
    run(*driving, faces=faces)
    assert (first, len(looked)) == (5, 5)


def test_the_runs_face_backends_are_another_source():
    clip = Clip(np.stack([frame((80, 90, 30)), frame(), frame((90, 90, 30))]))
    seen = ObservedFaces(Observer([Marked()])).observe(clip)
    assert seen.found.tolist() == [True, False, True]
    expected = Marked.face(80, 90, 30)
    assert np.allclose(seen.boxes[0], expected.box)
    assert np.allclose(seen.points[0], expected.points)


@pytest.mark.skipif(not importlib.util.find_spec("skimage"), reason="needs scikit-image")
def test_the_identity_crop_is_scikit_images_warp_in_0_to_1():
    from skimage import transform

    portrait = frame(side=120)
    points = FACE * 1.3 + [55, 52]
    target = [[30.2946, 51.6963], [65.5318, 51.5014], [48.0252, 71.7366], [33.5493, 92.3655], [62.7299, 92.2041]]
    target = np.add(target, (8, 0))
    similarity = transform.SimilarityTransform()
    similarity.estimate(points, target)
    expected = transform.warp(portrait, similarity.inverse, output_shape=(112, 112))
    found = identity_crop(portrait, points)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() < 1e-5
    assert 0.9 < found.max() <= 1


def test_the_appearance_picture_is_normalised_as_imagenet():
    grey = np.full((64, 64, 3), 102, np.uint8)
    found = appearance_picture(grey)
    assert found.shape == (1, 3, 224, 224)
    expected = (0.4 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(found[0].mean((1, 2)), expected)
    assert unit(grey[None]).shape == (1, 3, 64, 64)
    assert float(unit(grey[None]).mean()) == pytest.approx(0.4)


def test_the_stand_in_sees_a_face_that_moves_in_any_frame():
    clip = Clip(np.random.default_rng(0).integers(0, 255, (3, 90, 120, 3), dtype=np.uint8))
    seen = DetectedFaces(stand_in_detector()).observe(clip)
    assert seen.found.all()
    assert np.allclose(seen.boxes, [[36, 27, 84, 63]] * 3)
    assert np.abs(np.diff(seen.points, axis=0)).max() > 0
    assert stand_in_detector().info.grade is Grade.RANDOM
