"""Metrics on faces whose truth is known: turned by known angles, with known shares of an expression, late by frames.

One face plays both sides, so that nothing but expression differs; between two faces there is a floor besides, which
``docs/metrics_calibration.md`` shows as a mean over people.
"""

from __future__ import annotations

import numpy as np
import pytest

from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.faces.observer import Observer
from portraitbench.metrics.base import Scene, View
from portraitbench.metrics.resolve import resolve

SHARES = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def observer():
    pytest.importorskip("mediapipe")
    from portraitbench.faces.backends.mediapipe import MediapipeBackend

    return Observer([MediapipeBackend({})])


@pytest.fixture(scope="module")
def film(shared, observer):
    """Draws an imagined person: (seed, [(FACS weights by name, pose)]) to a view of the frames."""
    pytest.importorskip("numba")
    from portraitbench.methods.pocket.training.camera import Pose
    from portraitbench.methods.pocket.training.facekit import load_facekit
    from portraitbench.methods.pocket.training.people import sample_person, sample_scene
    from portraitbench.methods.pocket.training.renderer import Renderer

    kit = load_facekit(shared / "facekit" / "ict_facekit.npz")
    renderer = Renderer(kit, 256)

    def draw(seed, acts):
        sitter, scene = renderer.seat(sample_person(seed)), sample_scene(seed)
        frames = [renderer.render(sitter, kit.weights(**own), Pose(**pose), scene).frame for own, pose in acts]
        clip = Clip(np.stack(frames), 25.0)
        seen = observer.observe(clip)
        return View(lambda: clip, lambda: seen)

    return draw


def value(metric, kind, own, driving):
    return float(np.mean(resolve(metric)(Scene(kind, own, identity=own, driving=driving, target=None)).values))


@pytest.mark.parametrize(("axis", "number"), [("yaw", 0), ("pitch", 1), ("roll", 2)])
def test_head_pose_distance_is_the_known_angle(film, axis, number):
    degrees = (0, 10, 20)
    views = [film(7_000_001, [({}, {axis: np.radians(angle)})]) for angle in degrees]
    scores = [value("apd_deg", SuiteKind.CROSS_IMAGE, own, views[0]) for own in views]
    # Three axes are averaged and one turns; MediaPipe sees about nine tenths of a render's angle.
    assert scores[0] == 0
    np.testing.assert_allclose(scores[1:], np.array(degrees[1:]) / 3, rtol=0.3)
    assert scores[1] < scores[2]


@pytest.mark.parametrize(
    ("metric", "weights"),
    [
        ("aed_blendshape52_mouth_l1", {"mouthSmile_L": 0.9, "mouthSmile_R": 0.9}),
        ("aed_blendshape52_jaw_l1", {"jawOpen": 0.7}),
        ("aed_blendshape52_brows_l1", {"browInnerUp_L": 1.0, "browInnerUp_R": 1.0}),
        ("aed_blendshape52_eyes_l1", {"eyeBlink_L": 1.0, "eyeBlink_R": 1.0}),
        ("aed_lmk_px512", {"jawOpen": 0.7}),
        ("aed_lmk_iod", {"jawOpen": 0.7}),
        ("gaze_deg", {"eyeLookOut_L": 0.7, "eyeLookIn_R": 0.7}),
    ],
)
def test_more_of_the_drivers_expression_is_a_smaller_distance(film, metric, weights):
    shares = [film(7_000_002, [({name: share * own for name, own in weights.items()}, {})]) for share in SHARES]
    none, half, all_of_it = (value(metric, SuiteKind.CROSS_IMAGE, own, shares[-1]) for own in shares)
    assert none > half > all_of_it
    assert all_of_it < 1e-9


def test_a_later_or_weaker_clip_follows_less(film):
    opening = [0.7 * (0.5 - 0.5 * np.cos(frame)) for frame in range(10)]
    acts = [({"jawOpen": amount}, {}) for amount in opening]
    weaker = [({"jawOpen": 0.5 * amount}, {}) for amount in opening]
    driving, weak, late = film(7_000_002, acts[2:]), film(7_000_002, weaker[2:]), film(7_000_002, acts[:-2])
    scores = [value("expression_ccc", SuiteKind.CROSS_VIDEO, own, driving) for own in (driving, weak, late)]
    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[1] > scores[2]
    deltas = [value("aed_blendshape52_delta_l1", SuiteKind.CROSS_VIDEO, own, driving) for own in (driving, weak)]
    assert deltas[0] == 0 < deltas[1]
