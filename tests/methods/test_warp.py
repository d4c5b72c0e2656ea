"""The warp moves pixels as an independent piecewise affine warp does, and landmarks where they should go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut
from skimage.transform import PiecewiseAffineTransform, SimilarityTransform, warp

from portraitbench.core.errors import NoFaceError
from portraitbench.datasets.clip import Clip
from portraitbench.faces.base import BackendInfo, Face, Grade
from portraitbench.faces.observer import Observer
from portraitbench.methods.base import Inputs, MethodContext
from portraitbench.methods.warp import Warp, follow, warp_image

SIZE = 96


def face_points(rng: np.random.Generator) -> np.ndarray:
    """68 points that are no face but as spread out, shape (68, 2)."""
    return rng.uniform(0.2 * SIZE, 0.8 * SIZE, (68, 2))


def smooth_image(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    waves = [128 + 100 * np.sin(rows / a + columns / b) for a, b in rng.uniform(6, 15, (3, 2))]
    return np.stack(waves, axis=-1).astype(np.uint8)


def border(each_side: int = 4) -> np.ndarray:
    """Equally spaced points that hold the image's border, written down without the code under test."""
    line = np.linspace(0, SIZE - 1, each_side + 1)
    points = [(x, y) for x in line for y in line if x in (0, SIZE - 1) or y in (0, SIZE - 1)]
    return np.array(points)


def test_piecewise_affine_agrees_with_skimage():
    rng = np.random.default_rng(3)
    image, source = smooth_image(rng), face_points(rng)
    target = source + rng.normal(0, 1.5, source.shape)
    own = warp_image(image, source, target, "affine")
    frame = border()
    transform = PiecewiseAffineTransform.from_estimate(np.vstack([target, frame]), np.vstack([source, frame]))
    reference = warp(image.astype(np.float64), transform, order=1, mode="edge", preserve_range=True)
    # Both triangulate the target points by Delaunay; on the triangles' edges either triangle is right.
    difference = np.abs(own - reference)[1:-1, 1:-1]
    assert np.mean(difference) < 0.3
    assert np.quantile(difference, 0.99) <= 1.0


@pytest.mark.parametrize("kind", ["affine", "tps"])
def test_points_that_stay_leave_the_image_as_it_is(kind):
    rng = np.random.default_rng(4)
    image, points = smooth_image(rng), face_points(rng)
    assert np.abs(warp_image(image, points, points, kind).astype(int) - image).max() <= 1


@pytest.mark.parametrize("kind", ["affine", "tps"])
def test_a_dot_moves_to_its_target(kind):
    """A bright blob on a source point is found at the target point."""
    rng = np.random.default_rng(5)
    grid = np.stack(np.meshgrid(np.linspace(20, 75, 5), np.linspace(20, 75, 5)), -1).reshape(-1, 2)
    target = grid + rng.uniform(-4, 4, grid.shape)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for row in range(0, len(grid), 6):
        x, y = grid[row]
        blob = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 3)
        moved = warp_image(np.repeat(blob[..., None], 3, -1).astype(np.uint8), grid, target, kind)[..., 0].astype(float)
        centre = np.array([(moved * columns).sum(), (moved * rows).sum()]) / moved.sum()
        assert np.linalg.norm(centre - target[row]) < 1.0


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), reach=st.floats(0, 80))
def test_any_target_gives_a_whole_picture_with_its_border_in_place(seed, reach):
    """Targets may lie outside the picture, fold over each other or coincide."""
    rng = np.random.default_rng(seed)
    image, source = smooth_image(rng), face_points(rng)
    target = source + rng.uniform(-reach, reach, source.shape)
    target[1] = target[0]
    inside = ((target > 2) & (target < SIZE - 3)).all()
    with np.errstate(invalid="raise"):
        moved = warp_image(image, source, target, "affine")
    assert moved.shape == image.shape
    assert moved.dtype == np.uint8
    if inside:
        assert np.abs(moved[0].astype(int) - image[0]).max() <= 2


@given(
    angle=st.floats(-1, 1),
    scale=st.floats(0.5, 2),
    x=st.floats(-50, 50),
    y=st.floats(-50, 50),
    seed=st.integers(0, 999),
)
def test_framing_and_shape_of_the_driver_do_not_matter_only_its_motion(angle, scale, x, y, seed):
    """A driver who is the identity under a similarity, and holds still, moves nothing."""
    source = face_points(np.random.default_rng(seed))
    move = SimilarityTransform(scale=scale, rotation=angle, translation=(x, y))
    driver = np.stack([move(source)] * 3)
    assert np.abs(follow(source, driver, 1.0) - source).max() < 1e-6


def test_strength_is_the_share_of_the_way():
    rng = np.random.default_rng(6)
    source, driver = face_points(rng), np.stack([face_points(rng) for _ in range(3)])
    full = follow(source, driver, 1.0)
    assert np.array_equal(follow(source, driver, 0.0), np.stack([source] * 3))
    assert np.allclose(follow(source, driver, 0.25), source + 0.25 * (full - source))


class Given:
    """A face backend that knows the landmarks of each frame by its first pixel."""

    def __init__(self, points: dict[int, np.ndarray]) -> None:
        self.info = BackendInfo("given", "1", "none", "ours", grade=Grade.TEST)
        self._points = points

    def detect(self, frames):
        box = np.array([0.0, 0, SIZE, SIZE])
        return [[Face(box, 1.0)] if int(frame[0, 0, 0]) in self._points else [] for frame in frames]

    def landmarks(self, frames, faces):
        return np.stack([self._points[int(frame[0, 0, 0])] for frame in frames])


def animate(points: dict[int, np.ndarray], identity: int, driving: list[int], **options):
    """Warp where each frame is told by its first pixel."""

    def clip(pixels: list[int]) -> Clip:
        frames = np.stack([smooth_image(np.random.default_rng(0)) for _ in pixels])
        frames[:, 0, 0, 0] = pixels
        return Clip(frames)

    context = MethodContext(lambda: Observer([Given(points)]), device="cpu", cache=Path())
    return Warp(options, context).animate(Inputs("case", clip([identity]), clip(driving), 0))


def test_frames_without_a_face_hold_the_frame_before():
    rng = np.random.default_rng(7)
    base = face_points(rng)
    points = {row: base + rng.normal(0, 2, base.shape) for row in (1, 2, 3)}
    held = animate(points, 1, [0, 2, 0, 0, 3])
    dense = animate(points, 1, [2, 2, 2, 2, 3])
    assert held.detail == {"held_frames": 3}
    assert dense.detail == {"held_frames": 0}
    assert np.array_equal(held.clip.frames, dense.clip.frames)


@pytest.mark.parametrize(
    ("identity", "driving", "message"),
    [(0, [1], "identity image shows no face"), (1, [0, 0], "no driving frame shows")],
)
def test_without_a_face_there_is_no_animation(identity, driving, message):
    with pytest.raises(NoFaceError, match=message):
        animate({1: face_points(np.random.default_rng(8))}, identity, driving)


@pytest.mark.parametrize("kind", ["affine", "tps"])
def test_dlib_finds_the_landmarks_of_a_warped_portrait_at_their_targets(kind):
    pytest.importorskip("dlib")
    from portraitbench.faces.backends.dlib import DlibBackend

    image = np.ascontiguousarray(astronaut()[12:268, 96:352])
    observer = Observer([DlibBackend({})])

    def landmarks(frame: np.ndarray) -> np.ndarray:
        return observer.observe(Clip.from_image(frame), ["landmarks"]).landmarks[0]

    source = landmarks(image)
    target = source.copy()
    target[48:68, 1] += 5  # the mouth and the jaw drop, the brows rise
    target[4:13, 1] += 5
    target[17:27, 1] -= 3
    found = landmarks(warp_image(image, source, target, kind))
    assert np.abs(found - target).mean() < 2.0
    mouth, brows = (found - source)[48:68, 1].mean(), (found - source)[17:27, 1].mean()
    assert 3 < mouth < 7
    assert -5 < brows < -1
