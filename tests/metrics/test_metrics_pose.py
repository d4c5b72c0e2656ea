"""Head pose and gaze against SciPy's rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from portraitbench.core.errors import Status
from portraitbench.metrics.gaze import gaze_angle
from portraitbench.metrics.pose import angle_differences, euler_degrees, geodesic_degrees
from portraitbench.metrics.resolve import resolve

angle = st.floats(-180, 180)


@settings(max_examples=100, deadline=None)
@given(angle, st.floats(-89.9, 89.9), angle)
def test_angles_are_scipys(yaw, pitch, roll):
    turned = Rotation.from_euler("YXZ", [yaw, pitch, roll], degrees=True)
    found = euler_degrees(turned.as_matrix()[None])[0]
    assert angle_differences(found, turned.as_euler("YXZ", degrees=True)).max() < 1e-6
    assert angle_differences(found, np.array([yaw, pitch, roll])).max() < 1e-6


@pytest.mark.filterwarnings("ignore:Gimbal lock")
@pytest.mark.parametrize("pitch", [90.0, -90.0])
def test_at_the_gimbal_the_orientation_is_still_right(pitch):
    turned = Rotation.from_euler("YXZ", [[33.0, pitch, 20.0]], degrees=True)
    angles = euler_degrees(turned.as_matrix())
    assert angles[0, 2] == 0
    back = Rotation.from_euler("YXZ", angles, degrees=True)
    assert np.degrees((back * turned.inv()).magnitude()) < 1e-4


def test_just_short_of_the_gimbal_angles_are_still_scipys():
    turned = Rotation.from_euler("YXZ", [[33.0, 89.99, 20.0]], degrees=True)
    assert angle_differences(euler_degrees(turned.as_matrix()), np.array([[33.0, 89.99, 20.0]])).max() < 1e-6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_geodesic_is_scipys_magnitude(seed):
    one, other = Rotation.random(2, random_state=seed)
    found = geodesic_degrees(one.as_matrix()[None], other.as_matrix()[None])[0]
    assert found == pytest.approx(np.degrees((one.inv() * other).magnitude()), abs=1e-5)


def test_differences_wrap_around():
    assert angle_differences(np.array([170.0, -90, 0, 360]), np.array([-170.0, 90, 0, 0])).tolist() == [20, 180, 0, 0]


def turned(*angles):
    return {"head_rotation": Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()}


def test_apd_is_the_mean_of_three_differences(make_view, make_scene):
    own, driver = [(175.0, 10, 0), (0, 0, 0)], [(-175.0, 16, 2), (0, 0, 0)]
    scores = resolve("apd_deg")(make_scene(make_view(turned(*own)), driving=make_view(turned(*driver))))
    assert scores.values == pytest.approx([(10 + 6 + 2) / 3, 0], abs=1e-9)
    assert scores.detail["yaw_deg"] == pytest.approx(5)
    assert scores.detail["pitch_deg"] == pytest.approx(3)
    assert scores.detail["roll_deg"] == pytest.approx(1)


def test_apd_orders_turns(make_view, make_scene):
    driver = make_view(turned((10, 5, 0), (20, 0, -5)))
    values = [
        resolve("apd_deg")(make_scene(make_view(turned((10 + off, 5, 0), (20 + off, 0, -5))), driving=driver))
        for off in (0, 2, 10, 40)
    ]
    means = [scores.values.mean() for scores in values]
    assert means == pytest.approx([0, 2 / 3, 10 / 3, 40 / 3])


def test_a_frame_without_a_face_is_counted(make_view, make_scene):
    driver = make_view(turned((10, 5, 0), (20, 0, -5)), found=[True, False])
    scores = resolve("apd_deg")(make_scene(make_view(turned((10, 5, 0), (20, 0, -5))), driving=driver))
    assert list(scores.status) == [Status.OK, Status.NO_FACE]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_gaze_angle_is_the_angle_of_scipys_rotations(seed):
    own, other = np.random.default_rng(seed).uniform(-60, 60, (2, 1, 2))
    # Pitch is down, so that about the x axis (y down) it turns the other way.
    one, two = (Rotation.from_euler("YX", row * [1, -1], degrees=True).apply([0.0, 0, 1]) for row in (own[0], other[0]))
    assert gaze_angle(own, other)[0] == pytest.approx(np.degrees(np.arccos(np.clip(one @ two, -1, 1))), abs=1e-4)


def test_closed_eyes_are_undefined_not_zero(make_view, make_scene):
    own, driver = make_view({"gaze": [[np.nan, np.nan], [0, 0]]}), make_view({"gaze": [[0, 0], [3, 4]]})
    scores = resolve("gaze_deg")(make_scene(own, driving=driver))
    assert list(scores.status) == [Status.UNDEFINED, Status.OK]
    assert scores.values[1] == pytest.approx(5, abs=0.01)
