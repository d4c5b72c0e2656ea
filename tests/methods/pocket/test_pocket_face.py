from __future__ import annotations

import numpy as np
import pytest
import torch

from portraitbench.core.digest import file_sha256
from portraitbench.core.errors import ConfigError, WeightsError
from portraitbench.datasets.clip import Clip
from portraitbench.faces.backends.pocket import WEIGHTS, PocketBackend, network_input
from portraitbench.faces.base import Detects, EmbedsIdentity, FindsLandmarks, Grade, ReadsEmotion, provided_features
from portraitbench.faces.networks.pocket import load_pocket_face
from portraitbench.faces.observer import Observer
from portraitbench.methods.pocket.training.dataset import HELD_OUT
from portraitbench.methods.pocket.training.expressions import (
    driving_code,
    sample_expression,
    sample_pose,
    valence_arousal,
)
from portraitbench.methods.pocket.training.people import sample_person, sample_scene

SHA256 = "ce411ff318841d48f890e8bbc65de39a3d95d0f665ee7be5b690903cef9ae691"


@pytest.fixture(scope="module")
def backend():
    return PocketBackend({})


@pytest.fixture(scope="module")
def fresh(kit):
    """Twelve people that neither training nor its test saw, three pictures each: a scene, the same, another scene."""
    from portraitbench.methods.pocket.training.renderer import Renderer

    renderer, rng, rows = Renderer(kit, 128), np.random.default_rng(11), []
    for seed in range(HELD_OUT + 5000, HELD_OUT + 5012):
        sitter = renderer.seat(sample_person(seed))
        for scene in (seed, seed, seed + 50):
            weights, pose = sample_expression(rng, kit), sample_pose(rng)
            portrait = renderer.render(sitter, weights, pose, sample_scene(scene))
            rows.append((portrait.frame, portrait.landmarks, weights, pose.vector[:3]))
    return [np.stack(column) for column in zip(*rows, strict=True)]


def test_the_weights_are_the_ones_of_the_model_card(backend):
    assert file_sha256(WEIGHTS) == SHA256 == backend.info.weights
    assert SHA256 in (WEIGHTS.parent / "MODEL_CARD.md").read_text()
    assert WEIGHTS.stat().st_size < 4_000_000
    assert backend.info.grade is Grade.EMBEDDED


def test_the_backend_has_all_capabilities(backend):
    for capability in (Detects, FindsLandmarks, EmbedsIdentity, ReadsEmotion):
        assert isinstance(backend, capability)
    assert provided_features(backend) == {"landmarks", "identity/pocket", "emotion"}


def test_landmarks_of_shipped_renders(backend, shipped):
    frames, truth = shipped
    faces = backend.detect(list(frames))
    assert [len(own) for own in faces] == [1] * 8
    error = np.linalg.norm(backend.landmarks(list(frames), [own[0] for own in faces]) - truth, axis=2)
    assert error.mean() < 1.5
    assert error[:, 36:48].mean() < 1.2
    assert error[:, 48:68].mean() < 1.6


def test_landmarks_of_fresh_renders(backend, fresh):
    frames, truth = list(fresh[0]), fresh[1]
    error = np.linalg.norm(backend.landmarks(frames, [own[0] for own in backend.detect(frames)]) - truth, axis=2)
    assert error.mean() < 1.5


def test_identity_tells_people_apart_in_other_light(backend, fresh):
    frames = list(fresh[0])
    vectors = backend.embed(frames, [own[0] for own in backend.detect(frames)])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, other_light = vectors[0::3], vectors[2::3]
    cosines = first @ other_light.T
    assert (cosines.argmax(axis=1) == np.arange(12)).mean() >= 0.7
    assert np.diag(cosines).mean() > cosines[~np.eye(12, dtype=bool)].mean() + 0.25


def test_emotion_code_and_pose_follow_the_truth(backend, fresh, kit):
    frames = list(fresh[0])
    emotion = backend.emotion(frames, [own[0] for own in backend.detect(frames)])
    truth = valence_arousal(fresh[2], kit)
    for column in range(2):
        assert np.corrcoef(emotion[:, column], truth[:, column])[0, 1] > 0.6
    network = load_pocket_face()
    with torch.no_grad():
        reading = network(torch.cat([network_input(frame) for frame in frames]))
    code = driving_code(fresh[2], kit)
    assert np.corrcoef(reading.code[:, 0].numpy(), code[:, 0])[0, 1] > 0.9
    assert np.abs(reading.pose.numpy() - fresh[3]).mean() < np.deg2rad(3)


def test_what_is_no_portrait_has_no_face(backend, shipped):
    rng = np.random.default_rng(0)
    frames = [
        rng.integers(0, 256, (128, 128, 3), dtype=np.uint8),
        np.full((128, 128, 3), 120, np.uint8),
        shipped[0][0][::-1].copy(),
        np.tile(shipped[0][0][:32, :32], (4, 4, 1)),
    ]
    assert backend.detect(frames) == [[], [], [], []]


def test_a_larger_frame_gives_the_same_points_in_its_own_pixels(backend, shipped):
    frame = shipped[0][0]
    double = np.repeat(np.repeat(frame, 2, axis=0), 2, axis=1)
    wide = np.zeros((256, 300, 3), np.uint8)
    wide[:, 22:278] = double
    one, two, three = (backend.landmarks([own], backend.detect([own])[0])[0] for own in (frame, double, wide))
    # Resizing back blurs a little; half a pixel of difference in all points would be a wrong convention.
    off = two - ((one + 0.5) * 2 - 0.5)
    assert np.abs(off).max() < 0.5
    assert np.abs(off.mean(axis=0)).max() < 0.2
    assert three == pytest.approx(two + np.array([22, 0]), abs=0.05)


def test_gradients_flow_from_every_part_to_the_pixels(shipped):
    network = load_pocket_face()
    for part in ("presence", "landmarks", "identity", "emotion", "code", "pose"):
        pixels = network_input(shipped[0][0]).requires_grad_()
        (slope,) = torch.autograd.grad(getattr(network(pixels), part).square().sum(), pixels)
        assert torch.isfinite(slope).all()
        assert slope.abs().max() > 0


def test_no_frames_give_empty_answers(backend):
    assert backend.detect([]) == []
    assert backend.landmarks([], []).shape == (0, 68, 2)
    assert backend.embed([], []).shape == (0, 64)
    assert backend.emotion([], []).shape == (0, 2)


def test_the_observer_works_with_the_backend_alone(backend, shipped):
    seen = Observer([backend]).observe(Clip(np.stack([shipped[0][0], np.zeros((128, 128, 3), np.uint8)])))
    assert seen.counts.tolist() == [1, 0]
    assert np.isnan(seen.landmarks[1]).all()
    assert np.isfinite(seen.features["identity/pocket"][0]).all()


def test_options_and_weights_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="threshold"):
        PocketBackend({"treshold": 0.5})
    with pytest.raises(WeightsError, match="missing"):
        load_pocket_face(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(WEIGHTS.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="damaged"):
        load_pocket_face(tmp_path / "cut.safetensors")
