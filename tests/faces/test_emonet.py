from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from portraitbench.core.errors import CaseError, ConfigError, WeightsError
from portraitbench.faces import BACKENDS
from portraitbench.faces.backends.emonet import EmoNetBackend
from portraitbench.faces.backends.emonet_crops import affectnet_crop, box_crop
from portraitbench.faces.base import Face, Grade, ReadsEmotion
from portraitbench.faces.networks.emonet import EmoNet

KEYS_AND_SHAPES = {
    8: "1a2e7630b4b1cc1ba578820cd859d5d9d92a853016bb2f40b31dd8efbfcd8261",
    5: "2842c2760f85c3d0c056be6fea7911523e876eb709bce4ef9a1d0b0bb26b0147",
}
"""sha256 over lines "name shape" of the published checkpoints' tables, as upstream's module has them."""


def randomised(classes: int) -> EmoNet:
    """Random weights and random batch statistics, so that no part of the network is idle."""
    torch.manual_seed(classes)
    network = EmoNet(classes)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("emonet")
    torch.save({f"module.{key}": value for key, value in randomised(8).state_dict().items()}, folder / "emonet_8.pth")
    torch.save(randomised(5).state_dict(), folder / "emonet_5.pth")
    return folder


@pytest.fixture(scope="module")
def backend(folder):
    return EmoNetBackend({"weights": str(folder), "random_weights": True})


@pytest.fixture(scope="module")
def face():
    draw = np.random.default_rng(0)
    landmarks = np.concatenate([draw.uniform([20, 30], [80, 100], (66, 2)), [[20, 30], [80, 100]]])
    return Face(np.array([15.7, 22.2, 85.1, 104.9]), 1.0, landmarks=landmarks)


@pytest.fixture(scope="module")
def frame():
    rows, columns = np.mgrid[0:120, 0:110]
    return np.stack([128 + 90 * np.sin(rows / 12), 2 * columns, rows + columns], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("classes", [8, 5])
def test_the_table_of_tensors_is_that_of_the_checkpoints(classes):
    network = EmoNet(classes)
    state = network.state_dict()
    lines = "\n".join(f"{key} {tuple(value.shape)}" for key, value in sorted(state.items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == KEYS_AND_SHAPES[classes]
    assert len(state) == 682
    assert len(list(network.buffers())) == 333


def test_parameter_counts_are_the_published_ones():
    sizes = {name: parameter.numel() for name, parameter in EmoNet(8).named_parameters()}
    assert sum(sizes.values()) == 13_963_410
    assert sum(size for name, size in sizes.items() if name.startswith(("conv1x1_", "emo_"))) == 1_856_906


def test_gradients_reach_the_pixels():
    network = randomised(8).eval()
    images = torch.rand(1, 3, 256, 256, requires_grad=True)
    output = network(images)
    assert (output.expression.shape, output.valence.shape, output.heatmap.shape) == ((1, 8), (1,), (1, 68, 64, 64))
    (output.valence + output.arousal).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_info_and_registry(backend, folder):
    assert BACKENDS.get("emonet") is EmoNetBackend
    assert isinstance(backend, ReadsEmotion)
    assert backend.info.grade is Grade.RANDOM
    assert backend.info.options == {"crop": "affectnet", "classes": 8}
    assert backend.info.weights == hashlib.sha256((folder / "emonet_8.pth").read_bytes()).hexdigest()
    assert "NC-ND" in backend.info.licence
    five = EmoNetBackend({"weights": str(folder / "emonet_5.pth"), "crop": "sfd_box"}).info
    assert five.options == {"crop": "sfd_box", "classes": 5}
    assert five.grade is Grade.REAL


@pytest.mark.parametrize("crop", ["affectnet", "sfd_box"])
def test_emotion_is_the_network_on_the_named_crop(folder, frame, face, crop):
    backend = EmoNetBackend({"weights": str(folder), "crop": crop, "random_weights": "true"})
    found = backend.emotion([frame, frame], [face, face])
    assert found.shape == (2, 2)
    own = affectnet_crop(frame, face.landmarks) if crop == "affectnet" else box_crop(frame, face.box)
    with torch.no_grad():
        output = randomised(8).eval()(torch.from_numpy(own).permute(2, 0, 1)[None] / 255)
    expected = np.clip([output.valence.item(), output.arousal.item()], -1, 1)
    np.testing.assert_allclose(found, [expected, expected], atol=1e-5)


def test_affectnet_crop_is_opencvs_warp(frame, face):
    (x0, y0), (x1, y1) = face.landmarks.min(axis=0), face.landmarks.max(axis=0)
    side = 200 * (x1 - x0 + y1 - y0) / 220
    corners = np.array(
        [[x0 + x1 - side, y0 + y1 - side], [x0 + x1 + side, y0 + y1 - side], [x0 + x1 - side, y0 + y1 + side]]
    )
    matrix = cv2.getAffineTransform(
        (corners / 2).astype(np.float32), np.array([[0, 0], [256, 0], [0, 256]], np.float32)
    )
    expected = cv2.warpAffine(frame, matrix, (256, 256)).astype(np.float64)
    assert np.abs(affectnet_crop(frame, face.landmarks) - expected).mean() < 0.7


def test_sfd_box_is_opencvs_anisotropic_resize(frame, face):
    expected = cv2.resize(frame[22:104, 15:85], (256, 256)).astype(np.float64)
    assert np.abs(box_crop(frame, face.box) - expected).max() <= 1
    beyond = box_crop(frame, np.array([-20.0, -30, 60, 400]))
    assert np.abs(beyond - cv2.resize(frame[:, :60], (256, 256)).astype(np.float64)).max() <= 1


def test_faces_without_extent_are_undefined(backend, frame, face):
    flat = Face(face.box, 1.0, landmarks=np.full((68, 2), 5.0))
    values = backend.emotion([frame, frame], [flat, face])
    assert list(np.isnan(values).all(axis=1)) == [True, False]
    assert box_crop(frame, np.array([200.0, 0, 300, 50])) is None
    assert box_crop(frame, np.array([50.2, 0, 50.9, 50])) is None
    assert backend.emotion([], []).shape == (0, 2)


def test_the_affectnet_crop_needs_landmarks(backend, frame, face):
    with pytest.raises(ConfigError, match="crop=sfd_box"):
        backend.emotion([frame], [Face(face.box, 1.0)])


def biased(folder, path, value):
    state = torch.load(folder / "emonet_8.pth", weights_only=True)
    state["module.emo_fc_2.3.bias"][-2:] = value
    torch.save(state, path)
    return path


def test_values_are_clipped_and_nonsense_is_called_so(folder, tmp_path, frame, face):
    path = biased(folder, tmp_path / "x.pth", 40.0)
    with pytest.raises(CaseError, match="out of"):
        EmoNetBackend({"weights": path}).emotion([frame], [face])
    stamped = EmoNetBackend({"weights": path, "random_weights": True})
    np.testing.assert_array_equal(stamped.emotion([frame], [face]), [[1.0, 1.0]])
    broken = EmoNetBackend({"weights": biased(folder, tmp_path / "y.pth", np.nan)})
    with pytest.raises(WeightsError, match="not finite"):
        broken.emotion([frame], [face])


def test_missing_weights_say_how_to_get_them(tmp_path):
    for options in ({}, {"weights": tmp_path}, {"weights": tmp_path / "emonet_8.pth"}):
        with pytest.raises(WeightsError, match=r"github\.com/face-analysis/emonet"):
            EmoNetBackend(options)


def test_weights_of_another_model_are_refused(folder, tmp_path):
    state = torch.load(folder / "emonet_5.pth", weights_only=True)
    torch.save({key: value for key, value in state.items() if not key.startswith("m1.")}, tmp_path / "half.pth")
    with pytest.raises(WeightsError, match=r"half\.pth belongs to another model: \d+ tensors missing \('m1"):
        EmoNetBackend({"weights": tmp_path / "half.pth"})
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no emotion head"):
        EmoNetBackend({"weights": tmp_path / "other.pth"})


UPSTREAM = """
import sys
import torch
sys.path.insert(0, sys.argv[1])
from emonet.models import EmoNet
state, images = torch.load(sys.argv[2], weights_only=True)
network = EmoNet(n_expression=int(sys.argv[3]))
network.load_state_dict(state, strict=True)
for module in network.modules():
    module.training = False
with torch.no_grad():
    output = network(images)
torch.save([output[key] for key in ("expression", "valence", "arousal", "heatmap")], sys.argv[2])
"""


@pytest.mark.skipif("EMONET_UPSTREAM" not in os.environ, reason="EMONET_UPSTREAM names no checkout of emonet")
@pytest.mark.parametrize("classes", [8, 5])
def test_network_equals_upstream(tmp_path, classes):
    network = randomised(classes).eval()
    images = torch.rand(2, 3, 256, 256)
    torch.save((dict(network.state_dict()), images), tmp_path / "x.pt")
    # In a process of its own: importing upstream replaces torch.nn.InstanceNorm2d for good.
    arguments = [os.environ["EMONET_UPSTREAM"], str(tmp_path / "x.pt"), str(classes)]
    subprocess.run([sys.executable, "-c", UPSTREAM, *arguments], check=True)
    with torch.no_grad():
        found = network(images)
    for own, theirs in zip(found, torch.load(tmp_path / "x.pt", weights_only=True), strict=True):
        torch.testing.assert_close(own, theirs, atol=1e-6, rtol=1e-5)
