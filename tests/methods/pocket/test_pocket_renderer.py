from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from portraitbench.methods.pocket.training.camera import CENTRE, PIVOT, SHARE, Camera, Pose, rotation
from portraitbench.methods.pocket.training.dataset import HELD_OUT, SetConfig, plan_person
from portraitbench.methods.pocket.training.expressions import sample_expression, sample_pose
from portraitbench.methods.pocket.training.fields import BROW, HAIR, IRIS, LIP, lay_fields
from portraitbench.methods.pocket.training.people import sample_person, sample_scene


@pytest.fixture(scope="module")
def renderer(kit):
    from portraitbench.methods.pocket.training.renderer import Renderer

    return Renderer(kit, 128)


def test_a_render_is_the_same_every_time_and_as_it_was_shipped(renderer, shipped):
    for row, (seed, shot) in enumerate((seed, shot) for seed in range(2) for shot in (0, 4)):
        own = plan_person(HELD_OUT + 900 + seed, SetConfig(), renderer.kit)[shot]
        sitter = renderer.seat(sample_person(HELD_OUT + 900 + seed))
        first = renderer.render(sitter, own.weights, own.pose, own.scene)
        again = renderer.render(sitter, own.weights, own.pose, own.scene)
        assert np.array_equal(first.frame, again.frame)
        # Another processor may round otherwise; another renderer would differ by far more.
        assert np.abs(first.frame.astype(int) - shipped[0][row]).mean() < 0.05
        assert first.landmarks == pytest.approx(shipped[1][row], abs=0.02)


def test_landmarks_stay_in_the_frame_and_need_no_drawing(renderer):
    rng = np.random.default_rng(0)
    for seed in range(30):
        sitter = renderer.seat(sample_person(seed))
        weights, pose = sample_expression(rng, renderer.kit, strong=True), sample_pose(rng)
        marks = renderer.landmarks(sitter, weights, pose)
        # A wide open jaw, seen from close, may just touch the lower edge.
        assert marks.min() > 0
        assert marks[:, 0].max() < 127
        assert marks[:, 1].max() < 132
        if seed < 3:
            drawn = renderer.render(sitter, weights, pose, sample_scene(seed))
            assert drawn.landmarks == pytest.approx(marks, abs=1e-3)


def test_the_crop_is_set_by_the_neutral_face(renderer):
    sitter = renderer.seat(sample_person(5))
    marks = renderer.landmarks(sitter, renderer.kit.weights(), Pose())
    low, high = marks.min(axis=0), marks.max(axis=0)
    # The face is nearer than the pivot, by 5 to 10 cm of 70: that much larger it is.
    assert SHARE * 1.05 < (high - low)[1] / 128 < SHARE * 1.2
    assert (high + low)[0] / 2 == pytest.approx(63.5, abs=1.5)
    assert (high + low)[1] / 256 == pytest.approx(CENTRE, abs=0.03)
    jaw = renderer.landmarks(sitter, renderer.kit.weights(jawOpen=1.0), Pose())
    assert jaw[36:46] == pytest.approx(marks[36:46], abs=0.3)
    assert jaw[8, 1] > marks[8, 1] + 5


def test_projection_of_a_point_at_the_pivots_depth_is_the_cameras_scale():
    camera = Camera(x=1.0, y=2.0, scale=0.05)
    at = camera.project(np.array([[3.0, 0.0, PIVOT[2]]], np.float32), Pose(dx=0.1, zoom=1.1), 100)[0]
    assert at[:2] == pytest.approx([(2 * 0.055 + 0.6) * 100 - 0.5, (2 * 0.055 + 0.54) * 100 - 0.5], abs=1e-3)


def test_attitude_agrees_with_scipy_and_its_signs_with_the_text():
    pose = Pose(0.2, -0.1, 0.3)
    expected = Rotation.from_euler("YXZ", [0.2, -0.1, -0.3]).as_matrix()
    assert rotation(pose) == pytest.approx(expected)
    nose, crown = np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    assert (rotation(Pose(yaw=0.2)) @ nose)[0] > 0
    assert (rotation(Pose(pitch=0.2)) @ nose)[1] < 0
    assert (rotation(Pose(roll=0.2)) @ crown)[0] > 0


def test_fields_lie_where_their_names_say(kit):
    fields, points, marks = lay_fields(kit), kit.neutral, kit.neutral[kit.landmarks]
    lips = points[fields[:, LIP] > 0.1]
    assert lips[:, 1].max() < marks[33, 1]
    assert lips[:, 1].min() > marks[8, 1]
    brows = points[fields[:, BROW] > 0.05]
    assert brows[:, 1].min() > marks[36:48, 1].max()
    assert points[fields[:, HAIR] > 0.3, 1].max() == points[:, 1].max()
    assert (fields[kit.landmarks[:68], HAIR] < 0.3).all()
    iris = points[fields[:, IRIS] < 0.3]
    assert np.abs(np.abs(iris[:, 0]) - 3.1).max() < 0.4


def test_an_open_mouth_is_dark_and_closed_lids_are_skin(renderer):
    kit, sitter, scene = renderer.kit, renderer.seat(sample_person(7)), sample_scene(7)

    def patch(name, points):
        weights = kit.weights(**dict.fromkeys(name, 1.0))
        portrait = renderer.render(sitter, weights, Pose(), scene)
        x, y = np.rint(portrait.landmarks[points].mean(axis=0)).astype(int)
        return portrait.frame[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1))

    cheek = patch((), [2, 31])
    assert patch(("jawOpen",), list(range(60, 68))).mean() < 0.7 * cheek.mean()
    lids = patch(("eyeBlink_L", "eyeBlink_R"), list(range(42, 48)))
    eye = patch((), list(range(42, 48)))
    assert np.abs(lids - cheek).mean() < 45
    assert np.abs(eye - cheek).mean() > np.abs(lids - cheek).mean()


def test_dlib_finds_the_renders_and_places_eyes_and_mouth_where_they_are(renderer):
    dlib = pytest.importorskip("dlib")
    from portraitbench.faces.backends.dlib import DlibBackend

    assert dlib
    backend, rng, errors = DlibBackend({}), np.random.default_rng(1), []
    for seed in range(HELD_OUT, HELD_OUT + 8):
        pose = sample_pose(rng)
        weights = sample_expression(rng, renderer.kit)
        portrait = renderer.render(renderer.seat(sample_person(seed)), weights, pose, sample_scene(seed))
        faces = backend.detect([portrait.frame])[0]
        assert len(faces) == 1
        found = backend.landmarks([portrait.frame], faces)[0]
        errors.append(np.linalg.norm(found - portrait.landmarks, axis=1))
    mean = np.mean(errors, axis=0)
    assert mean[36:48].mean() < 2.5
    assert mean[48:68].mean() < 3.5
