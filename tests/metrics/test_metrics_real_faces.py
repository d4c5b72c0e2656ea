"""Scale of the landmark metrics on real portraits, read by dlib: what is known of them holds here too."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from portraitbench.datasets.clip import Clip
from portraitbench.faces.observer import Observer
from portraitbench.metrics.base import View
from portraitbench.metrics.resolve import resolve


@pytest.fixture(scope="module")
def observer():
    pytest.importorskip("dlib")
    from portraitbench.faces.backends.dlib import DlibBackend

    return Observer([DlibBackend({})])


@pytest.fixture(scope="module")
def portraits(shared, observer):
    """Views of five people, largest centred square at 512."""
    views = []
    for path in sorted((shared / "portraits" / "identities").iterdir())[:5]:
        image = Image.open(path).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side)).resize((512, 512), Image.Resampling.LANCZOS)
        views.append(seen(observer, np.asarray(square)))
    return views


def seen(observer, image):
    clip = Clip.from_image(image)
    observation = observer.observe(clip)
    return View(lambda: clip, lambda: observation)


def test_different_people_are_5_to_13_px_apart(portraits, make_scene):
    pairs = [make_scene(a, driving=b) for a, b in permutations(portraits, 2)]
    pixels = np.array([resolve("aed_lmk_px512")(pair).values[0] for pair in pairs])
    percent = np.array([resolve("aed_lmk_iod")(pair).values[0] for pair in pairs])
    assert 5 < np.median(pixels) < 13
    assert 4 < np.median(percent) < 11
    assert pixels.min() > 2


def test_the_same_picture_scores_zero_and_a_shift_only_detector_noise(portraits, observer, make_scene):
    for portrait in portraits:
        assert resolve("aed_lmk_px512")(make_scene(portrait, driving=portrait)).values[0] < 1e-9
        shifted = seen(observer, np.roll(portrait.clip.frames[0], (3, 3), (0, 1)))
        assert resolve("aed_lmk_px512")(make_scene(shifted, driving=portrait)).values[0] < 3
        moved = resolve("akd_l1_px256")(make_scene(shifted, driving=portrait)).values[0]
        assert 0.5 < moved < 2.5  # three pixels of 512 are one and a half of 256


def test_dlib_tells_people_apart_at_its_authors_threshold(portraits, make_scene):
    metric = resolve("id_dlib_l2")
    distances = [metric(make_scene(a, identity=b)).values[0] for a, b in permutations(portraits, 2)]
    assert min(distances) > 0.6
    assert all(metric(make_scene(view, identity=view)).values[0] == 0 for view in portraits)
