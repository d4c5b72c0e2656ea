from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from portraitbench.core.errors import ConfigError, NoFaceError, WeightsError
from portraitbench.faces import BACKENDS
from portraitbench.faces.backends.face_alignment import FILES, FaceAlignmentBackend, _is_inside
from portraitbench.faces.base import Detects, EmbedsIdentity, Face, FindsLandmarks, Grade

face_alignment = pytest.importorskip("face_alignment")

DETECTOR, LANDMARKS = FILES["detector"], FILES["landmarks"]
SIDE = 50.0


def save_networks(folder, detector) -> None:
    """Write both checkpoints; half precision halves the files and loads into the same single-precision networks."""
    from face_alignment.models import FAN

    torch.manual_seed(1)
    for network, name in ((detector, DETECTOR), (FAN(4), LANDMARKS)):
        torch.save({key: value.half() for key, value in network.state_dict().items()}, folder / name)


def constant_detector():
    """S3FD that sees a face of 50 px at every cell of stride 64, with probability 1 / (1 + e^-2)."""
    from face_alignment.detection.sfd.net_s3fd import s3fd

    network = s3fd()
    for name, parameter in network.named_parameters():
        parameter.data.zero_()
        if name.endswith("conf.bias"):
            parameter.data[-1] = -20.0
    network.conv6_2_mbox_conf.bias.data[-1] = 2.0
    network.conv6_2_mbox_loc.bias.data[2:] = float(np.log(SIDE / 256) / 0.2)
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Laid out as torch.hub keeps it, so that upstream's own constructor can read it too."""
    folder = tmp_path_factory.mktemp("hub") / "checkpoints"
    folder.mkdir()
    torch.manual_seed(0)
    save_networks(folder, constant_detector())
    return folder


@pytest.fixture(scope="module")
def backend(folder):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("download_url_to_file", "load_state_dict_from_url"):
            patch.setattr(torch.hub, name, lambda *_, **__: pytest.fail("tried to download"))
        return FaceAlignmentBackend({"weights": str(folder), "random_weights": True})


@pytest.fixture(scope="module")
def frame():
    return np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)


def test_info_and_registry(backend):
    assert BACKENDS.get("face-alignment") is FaceAlignmentBackend
    assert isinstance(backend, Detects)
    assert isinstance(backend, FindsLandmarks)
    assert not isinstance(backend, EmbedsIdentity)
    assert backend.info.grade is Grade.RANDOM
    assert backend.info.version.startswith("1.5")
    assert backend.info.options == {"threshold": 0.5, "flip_input": False}


def test_detection_is_that_of_the_closed_form(backend, frame):
    (faces,) = backend.detect([frame])
    # The map is larger than the frame: what it sees beyond the frame is dropped.
    centres = {(32.0, 32.0), (96.0, 32.0), (32.0, 96.0), (96.0, 96.0)}
    assert {tuple(np.round((face.box[:2] + face.box[2:]) / 2, 3)) for face in faces} == centres
    for face in faces:
        np.testing.assert_allclose(face.box[2:] - face.box[:2], SIDE, rtol=2e-3)
        assert face.score == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-4)
        assert face.points is None


def test_a_higher_threshold_finds_nothing(folder, frame):
    backend = FaceAlignmentBackend({"weights": folder, "threshold": 0.9})
    assert backend.detect([frame, frame]) == [[], []]
    assert backend.info.grade is Grade.REAL


def test_both_models_equal_upstreams_own_constructor(backend, folder, frame, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(folder.parent))
    upstream = face_alignment.FaceAlignment(
        face_alignment.LandmarksType.TWO_D, device="cpu", flip_input=False, compile=False
    )
    boxes = upstream.face_detector.detect_from_image(frame.copy())
    (faces,) = backend.detect([frame])
    inside = [box[:4] for box in boxes if (box[:2] < 128).all()]
    assert len(inside) == 4 < len(boxes)
    np.testing.assert_array_equal([face.box for face in faces], inside)
    box = np.array([30.0, 20, 110, 115])
    (expected,) = upstream.get_landmarks_from_image(frame.copy(), detected_faces=[box])
    found = backend.landmarks([frame], [Face(box, 1.0)])
    assert np.ptp(found) > 10
    np.testing.assert_array_equal(found, expected[None])


def test_one_face_per_frame_even_where_there_are_several(backend, frame):
    (faces,) = backend.detect([frame])
    assert len(faces) > 1
    found = backend.landmarks([frame, frame[::-1]], [faces[0], faces[0]])
    assert found.shape == (2, 68, 2)
    assert np.abs(found[0] - found[1]).max() > 1


def test_every_box_that_is_let_through_can_be_cropped_upstream(frame):
    from face_alignment.utils import crop

    draw = np.random.default_rng(0)
    passed = 0
    for _ in range(3000):
        low = draw.uniform(-150, 140, 2)
        box = np.concatenate([low, low + np.exp(draw.uniform(0, 6, 2))])
        if _is_inside(frame, box):
            width, height = box[2:] - box[:2]
            centre = np.array([box[2] - width / 2, box[3] - height / 2 - 0.12 * height])
            assert crop(frame, centre, (width + height) / 195).shape == (256, 256, 3)
            passed += 1
    assert passed > 1000


@pytest.mark.parametrize(
    "box", [(10.0, 10, 10, 40), (200.0, 0, 300, 80), (-80.0, 0, -10, 80), (52.0, -119, 64, 3)], ids=str
)
def test_boxes_without_a_face_in_the_frame_are_refused(backend, frame, box):
    with pytest.raises(NoFaceError, match="empty or outside"):
        backend.landmarks([frame], [Face(np.array(box), 1.0)])


def test_global_settings_of_torch_survive(backend, folder, frame, monkeypatch):
    def meddle(_):
        torch.backends.cudnn.benchmark = True
        return []

    hub, home = torch.hub.get_dir(), os.environ.get("TORCH_HOME")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(backend._detector, "detect_from_image", meddle)
    backend.detect([frame])
    assert torch.backends.cudnn.benchmark is False
    assert (torch.hub.get_dir(), os.environ.get("TORCH_HOME")) == (hub, home)


@pytest.mark.parametrize("name", [DETECTOR, LANDMARKS])
def test_missing_or_cut_files_are_named(folder, tmp_path, name):
    for other in {DETECTOR, LANDMARKS} - {name}:
        (tmp_path / other).symlink_to(folder / other)
    with pytest.raises(WeightsError, match=rf"{name} is missing: download https://www\.adrianbulat\.com/.*{name}"):
        FaceAlignmentBackend({"weights": tmp_path})
    (tmp_path / name).write_bytes((folder / name).read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=rf"{name} \(97\.7 KiB\) cannot be read"):
        FaceAlignmentBackend({"weights": tmp_path})


def test_the_usual_place_is_that_of_torch_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        FaceAlignmentBackend({})
    assert str(tmp_path / "checkpoints" / DETECTOR) in str(caught.value)


def test_swapped_files_are_refused(folder, tmp_path):
    (tmp_path / DETECTOR).symlink_to(folder / LANDMARKS)
    (tmp_path / LANDMARKS).symlink_to(folder / DETECTOR)
    with pytest.raises(WeightsError, match="belongs to another model"):
        FaceAlignmentBackend({"weights": tmp_path})


def test_unknown_options_and_devices_are_refused(folder):
    with pytest.raises(ConfigError, match="face backend face-alignment: option 'pack'"):
        FaceAlignmentBackend({"pack": "x"})
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="cuda"):
            FaceAlignmentBackend({"weights": folder}, device="cuda")
