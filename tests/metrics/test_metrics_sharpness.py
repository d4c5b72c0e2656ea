"""Sharpness of regions against a loop, under blur, noise and sharpening."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut

from portraitbench.core.errors import Status
from portraitbench.metrics.resolve import resolve
from portraitbench.metrics.sharpness import detail_energy


@pytest.fixture(scope="module")
def photo():
    return astronaut()


@pytest.fixture(scope="module")
def points():
    """Landmarks by hand on the astronaut: eyes and mouth as ellipses, the rest somewhere."""
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    face = np.full((68, 2), 120.0)
    face[36:42] = ring[:18:3] * [10, 4] + [203, 104]
    face[42:48] = ring[:18:3] * [10, 4] + [241, 108]
    face[48:68] = ring * [20, 7] + [222, 148]
    return face


def test_energy_is_a_plain_loop(photo, points):
    part = points[36:42]
    low, high = part.min(axis=0), part.max(axis=0)
    middle, half = (low + high) / 2, 0.75 * (high - low).max()
    x0, y0 = (int(np.floor(value)) for value in middle - half)
    x1, y1 = (int(np.ceil(value)) for value in middle + half)
    gray = photo[..., :3].astype(float) @ [0.2989, 0.587, 0.114]
    squares = [
        (gray[y - 1, x] + gray[y + 1, x] + gray[y, x - 1] + gray[y, x + 1] - 4 * gray[y, x]) ** 2
        for y in range(y0 + 1, y1)
        for x in range(x0 + 1, x1)
    ]
    assert detail_energy(photo, part) == pytest.approx(np.mean(squares), rel=1e-9)


def score(make_scene, make_view, points, frame, reference):
    own = make_view({"landmarks": [points]}, frames=frame[None])
    return resolve("sharpness_ratio")(
        make_scene(own, identity=make_view({"landmarks": [points]}, frames=reference[None]))
    )


def test_blur_noise_and_sharpening_all_cost_and_say_which(make_scene, make_view, photo, points):
    blurred = [
        np.stack([gaussian_filter(photo[..., c].astype(float), s) for c in range(3)], -1).round().astype(np.uint8)
        for s in (0.0, 0.7, 1.5, 4)
    ]
    scores = [score(make_scene, make_view, points, frame, photo) for frame in blurred]
    values = [part.values[0] for part in scores]
    assert values[0] == 1
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.02
    assert scores[1].detail["ratio_mouth"] < 1
    noise = np.random.default_rng(0).normal(0, 25, photo.shape)
    noisy = score(make_scene, make_view, points, np.clip(photo + noise, 0, 255).astype(np.uint8), photo)
    assert noisy.values[0] < 0.5
    assert noisy.detail["ratio_mouth"] > 2


def test_a_face_outside_the_frame_and_a_missing_one(make_scene, make_view, photo, points):
    outside = score(make_scene, make_view, points + 5000, photo, photo)
    assert list(outside.status) == [Status.UNDEFINED]
    none = make_view({"landmarks": [points]}, frames=photo[None], found=[False])
    own = make_view({"landmarks": [points]}, frames=photo[None])
    assert list(resolve("sharpness_ratio")(make_scene(own, identity=none)).status) == [Status.NO_FACE]
