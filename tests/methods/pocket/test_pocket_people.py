from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portraitbench.methods.pocket.code import ATTENUATION, POSE_LIMITS
from portraitbench.methods.pocket.training.dataset import HELD_OUT, SUITES, TRAIN
from portraitbench.methods.pocket.training.expressions import (
    coarse_weights,
    driving_code,
    sample_expression,
    sample_motion,
    sample_pose,
    valence_arousal,
)
from portraitbench.methods.pocket.training.people import IDENTITY_CLIP, sample_person, sample_scene

signed = st.floats(-1, 1, width=32)
share = st.floats(0, 1, width=32)


def test_a_person_is_their_seed():
    first, again, other = sample_person(3), sample_person(3), sample_person(4)
    assert np.array_equal(first.modes, again.modes)
    assert astuple(first)[1:] == astuple(again)[1:]
    assert not np.array_equal(first.modes, other.modes)
    assert sample_scene(3) == sample_scene(3) != sample_scene(4)


def test_training_testing_and_suites_have_people_of_their_own():
    assert len({TRAIN, HELD_OUT, SUITES}) == 3
    assert min(abs(a - b) for a, b in ((TRAIN, HELD_OUT), (HELD_OUT, SUITES))) >= 1_000_000


@given(st.integers(0, 2**40))
def test_people_stay_within_the_models_range(seed):
    person = sample_person(seed)
    assert person.modes.shape == (64,)
    assert np.abs(person.modes).max() <= IDENTITY_CLIP
    for colour in (person.skin, person.lip, person.iris, person.hair, person.brow, person.cloth):
        assert all(0 <= value <= 1 for value in colour)
    # Brows carry expression: they are darker than the skin of whomever.
    assert sum(person.brow) < 0.75 * sum(person.skin)


@given(jaw=share, smile=signed, pucker=share, brow=signed, lids=signed)
def test_the_coarse_expression_has_the_code_it_was_made_from(kit, jaw, smile, pucker, brow, lids):
    code = np.array([jaw, smile, pucker, brow, lids], np.float32)
    weights = coarse_weights(code, kit)
    assert driving_code(weights, kit) == pytest.approx(code, abs=1e-6)
    assert weights.min() >= 0
    half = coarse_weights(ATTENUATION * code, kit)
    assert half == pytest.approx(ATTENUATION * weights, abs=1e-6)


def test_the_code_loses_the_side_and_all_that_it_has_no_name_for(kit):
    left, both = kit.weights(mouthSmile_L=0.8), kit.weights(mouthSmile_L=0.4, mouthSmile_R=0.4)
    assert driving_code(left, kit) == pytest.approx(driving_code(both, kit))
    fine = kit.weights(noseSneer_L=1.0, mouthPress_R=1.0, cheekPuff_L=1.0, eyeLookUp_L=1.0, jawLeft=1.0)
    assert not driving_code(fine, kit).any()


def test_valence_and_arousal_of_plain_expressions(kit):
    def read(**names):
        return valence_arousal(kit.weights(**{f"{name}_{side}": v for name, v in names.items() for side in "LR"}), kit)

    assert not valence_arousal(kit.weights(), kit).any()
    assert read(mouthSmile=1.0)[0] == pytest.approx(np.tanh(1.2 * 0.9), abs=1e-6)
    assert read(mouthFrown=1.0, browDown=1.0)[0] < -0.8
    assert read(eyeWide=1.0)[1] > 0.5
    assert read(eyeBlink=1.0)[1] < -0.5
    many = valence_arousal(np.random.default_rng(0).uniform(0, 1, (4, 3, 57)).astype(np.float32), kit)
    assert many.shape == (4, 3, 2)
    assert np.abs(many).max() <= 1


def test_drawn_expressions_are_weights_and_the_strong_ones_are_stronger(kit):
    rng = np.random.default_rng(0)
    weak = np.stack([sample_expression(rng, kit) for _ in range(200)])
    strong = np.stack([sample_expression(rng, kit, strong=True) for _ in range(200)])
    for drawn in (weak, strong):
        assert drawn.min() >= 0
        assert drawn.max() <= 1
    assert strong.sum() > 1.2 * weak.sum()
    sides = strong[:, [kit.index["mouthSmile_L"], kit.index["mouthSmile_R"]]]
    one_sided = np.abs(sides[:, 0] - sides[:, 1]) > 0.3
    assert 0.05 < one_sided[sides.max(axis=1) > 0].mean() < 0.6


def test_poses_stay_within_their_limits():
    rng = np.random.default_rng(0)
    poses = np.stack([sample_pose(rng).vector for _ in range(300)])
    assert (np.abs(poses[:, :3]).max(axis=0) <= POSE_LIMITS).all()
    assert np.abs(poses[:, 3:5]).max() <= 0.012
    still = np.stack([sample_pose(rng, jitter=0.0).vector for _ in range(5)])
    assert (still[:, 3:] == [0, 0, 1]).all()


@pytest.mark.parametrize("length", [1, 8, 9, 20])
def test_a_motion_is_smooth_and_starts_at_rest(kit, length):
    motion = sample_motion(np.random.default_rng(0), kit, length)
    weights = np.stack([own for own, _ in motion])
    assert weights.shape == (length, 57)
    assert weights[0].max() <= 0.2 + 1e-6
    if length > 1:
        assert np.abs(np.diff(weights, axis=0)).max() < 0.25
