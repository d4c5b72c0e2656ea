from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from portraitbench.core.errors import BenchError, ConfigError, WeightsError
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.alignment import arcface_matrix, five_points
from portraitbench.faces.backends.insightface import InsightFaceBackend
from portraitbench.faces.backends.insightface_pack import locate_pack
from portraitbench.faces.base import Detects, EmbedsIdentity, Face, FindsLandmarks, Grade
from portraitbench.faces.networks.arcface import DifferentiableArcFace
from portraitbench.faces.observer import Observer

pytest.importorskip("insightface")


def make(pack, **options):
    return InsightFaceBackend({"pack": str(pack), "det_size": "128", "random_weights": True, **options})


@pytest.fixture(scope="module")
def backend(pack):
    return make(pack)


def test_info_says_what_decides_the_numbers(backend, pack):
    info = backend.info
    assert BACKENDS.get("insightface") is InsightFaceBackend
    assert isinstance(backend, Detects)
    assert isinstance(backend, EmbedsIdentity)
    assert not isinstance(backend, FindsLandmarks)
    assert info.grade is Grade.RANDOM
    assert make(pack, random_weights=False).info.grade is Grade.REAL
    assert info.options == {
        "det_size": "128x128",
        "det_thresh": 0.5,
        "detector": "det_tiny",
        "recogniser": "rec_tiny",
    }
    assert "non-commercial" in info.licence
    assert make(pack, det_size="auto").info.options["det_size"] == "128x128+640x640"
    keys = {make(pack, **other).info.key for other in ({}, {"det_size": 320}, {"det_thresh": 0.4})}
    assert len(keys) == 3


def test_another_recogniser_changes_the_key(backend, pack, recogniser_file, tmp_path):
    other = shutil.copytree(pack, tmp_path / "other")
    recogniser_file(other / "rec_tiny.onnx", seed=1)
    assert make(other).info.key != backend.info.key


def test_faces_are_found_where_they_are(backend, blocks, point_offsets):
    faces = backend.detect([blocks((6, 9)), blocks()])
    assert [len(found) for found in faces] == [1, 0]
    (face,) = faces[0]
    centre = np.array([9 * 8, 6 * 8])
    np.testing.assert_allclose(face.box, [*(centre - 24), *(centre + 24)], atol=1e-3)
    np.testing.assert_allclose(face.points, centre + point_offsets, atol=1e-3)
    assert 0.9 < face.score <= 1


def test_frames_reach_the_network_as_bgr_in_the_right_order(backend, blocks):
    red, blue = blocks((6, 9)), blocks((6, 9), colour=(0, 0, 255))
    assert [len(found) for found in backend.detect([red, blue])] == [1, 0]


def test_two_faces_stay_two(backend, blocks):
    (faces,) = backend.detect([blocks((4, 4), (11, 11))])
    assert len(faces) == 2


def test_a_frame_larger_than_the_detector_is_scaled_back(backend, blocks):
    large = np.kron(blocks((6, 9)), np.ones((2, 2, 1), np.uint8))
    ((face,),) = backend.detect([large])
    np.testing.assert_allclose(face.box, [96, 48, 192, 144], atol=1e-2)


def test_a_detector_of_fixed_size_is_recorded_as_such(pack, detector_file, tmp_path):
    other = shutil.copytree(pack, tmp_path / "fixed")
    detector_file(other / "det_tiny.onnx", sides=(64, 64))
    assert make(other, det_size="640").info.options["det_size"] == "64x64"


def test_embedding_is_the_network_on_the_aligned_rgb_crop(backend, blocks):
    import onnxruntime as ort

    frame = cv2.GaussianBlur(blocks((6, 9)), (0, 0), 3)
    ((face,),) = backend.detect([blocks((6, 9))])
    rows = arcface_matrix(five_points(face))[:2]
    crop = cv2.warpAffine(frame.astype(np.float32), rows, (112, 112))
    session = ort.InferenceSession(str(backend._pack.recogniser), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"data": ((crop - 127.5) / 127.5).transpose(2, 0, 1)[None]})
    found = backend.embed([frame], [face])
    assert found.shape == (1, 512)
    swapped = backend.embed([frame[..., ::-1].copy()], [face])
    assert np.linalg.norm(found - expected) < 0.02 * np.linalg.norm(found - swapped)  # OpenCV: 1/32 pixel steps.


@pytest.mark.filterwarnings("ignore:.estimate. is deprecated")
def test_faces_and_vectors_are_those_of_insightfaces_own_pipeline(backend, pack, blocks):
    from insightface.app import FaceAnalysis

    frame = cv2.GaussianBlur(blocks(), (0, 0), 2)
    frame[48:56, 72:80] = (255, 0, 0)
    upstream = FaceAnalysis(str(pack), allowed_modules=["detection", "recognition"], providers=["CPUExecutionProvider"])
    upstream.prepare(ctx_id=-1, det_size=(128, 128))
    (expected,) = upstream.get(frame[..., ::-1].copy())
    ((face,),) = backend.detect([frame])
    np.testing.assert_array_equal(face.box, expected.bbox)
    np.testing.assert_array_equal(face.points, expected.kps)
    found, other = backend.embed([frame, 255 - frame], [face, face])
    assert np.linalg.norm(found - expected.embedding) < 0.02 * np.linalg.norm(found - other)


def test_points_are_derived_from_landmarks_where_missing(backend, blocks):
    landmarks = np.random.default_rng(2).uniform(20, 100, (68, 2))
    plain = Face(np.array([0.0, 0, 128, 128]), 1.0, landmarks=landmarks)
    pointed = replace(plain, points=five_points(plain), landmarks=None)
    frames = [blocks((6, 9))]
    np.testing.assert_array_equal(backend.embed(frames, [plain]), backend.embed(frames, [pointed]))
    with pytest.raises(ConfigError, match="landmark backend"):
        backend.embed(frames, [Face(plain.box, 1.0)])


def test_coinciding_points_give_an_undefined_row_and_the_others_a_vector(backend, blocks):
    frame = blocks((6, 9))
    ((face,),) = backend.detect([frame])
    broken = replace(face, points=np.full((5, 2), 7.0))
    vectors = backend.embed([frame, frame, frame], [face, broken, face])
    assert np.isnan(vectors[1]).all()
    assert np.isfinite(vectors[[0, 2]]).all()
    assert backend.embed([], []).shape[0] == 0


def test_many_faces_are_embedded_as_one_by_one(backend, blocks):
    frames = [blocks((6, 5 + i % 6)) for i in range(19)]
    faces = [found[0] for found in backend.detect(frames)]
    together = backend.embed(frames, faces)
    np.testing.assert_allclose(together[17:18], backend.embed(frames[17:18], faces[17:18]), rtol=1e-4, atol=1e-4)


def test_it_serves_an_observer(backend, blocks):
    seen = Observer([backend]).observe(Clip(np.stack([blocks((6, 9)), blocks(), blocks((4, 4), (11, 11))])))
    assert list(seen.counts) == [1, 0, 2]
    assert list(np.isnan(seen.features["identity/arcface"]).all(axis=1)) == [False, True, False]


@pytest.mark.parametrize("mxnet", [False, True])
def test_twin_equals_the_backend_and_has_gradients(pack, recogniser_file, blocks, tmp_path, mxnet):
    other = shutil.copytree(pack, tmp_path / "p")
    recogniser_file(other / "rec_tiny.onnx", seed=4, mxnet=mxnet)
    backend = make(other)
    frames = [blocks((6, 9)), blocks((5, 8))]
    faces = [found[0] for found in backend.detect(frames)]
    expected = backend.embed(frames, faces)
    embedder = backend.differentiable()
    assert (embedder.mean, embedder.std) == ((0.0, 1.0) if mxnet else (127.5, 127.5))
    x = (torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1).requires_grad_()
    found = embedder(x, [arcface_matrix(five_points(face)) for face in faces])
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=2e-5 * np.abs(expected).max())
    found.square().sum().backward()
    assert x.grad is not None
    assert x.grad[0, :, 40:60, 60:80].abs().min() > 0
    assert x.grad[0, :, :, 127].abs().max() == 0  # Outside the crop.


def test_twin_gradient_equals_a_numerical_one(recogniser_file, tmp_path):
    embedder = DifferentiableArcFace(recogniser_file(tmp_path / "r.onnx")).double()
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(1, 3, 40, 40, dtype=torch.float64, generator=generator) * 2 - 1).requires_grad_()
    direction = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    points = np.array([[12.0, 14], [27, 13], [20, 22], [14, 30], [26, 29]])

    def loss(frames):
        return embedder(frames, [arcface_matrix(points)]).square().sum()

    (gradient,) = torch.autograd.grad(loss(x), x)
    step = 1e-6
    with torch.no_grad():
        numerical = (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), numerical, rtol=1e-5, atol=0)


def test_twin_refuses_frames_in_bytes(recogniser_file, tmp_path):
    embedder = DifferentiableArcFace(recogniser_file(tmp_path / "r.onnx"))
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        embedder(torch.full((1, 3, 8, 8), 200.0), [np.eye(3)])


class TestHostilePacks:
    def refused(self, folder, *words, **options):
        with pytest.raises(BenchError) as caught:
            make(folder, **options)
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert word in message
        return message

    def test_missing(self, tmp_path):
        self.refused(tmp_path / "none", "does not exist", "det_10g.onnx (16,923,827 bytes)", "w600k_r50.onnx")

    def test_a_file(self, pack):
        self.refused(pack / "det_tiny.onnx", "is a file")

    def test_empty(self, tmp_path):
        self.refused(tmp_path, "is empty", "174,383,860")

    def test_only_the_archive(self, tmp_path):
        (tmp_path / "buffalo_l.zip").write_bytes(b"PK")
        self.refused(tmp_path, "buffalo_l.zip", "unpack")

    def test_nested(self, pack, tmp_path):
        shutil.copytree(pack, tmp_path / "antelopev2" / "antelopev2")
        self.refused(tmp_path / "antelopev2", str(tmp_path / "antelopev2" / "antelopev2"), "deeper")

    @pytest.mark.parametrize(("gone", "kind"), [("det_tiny", "detector"), ("rec_tiny", "recogniser")])
    def test_one_of_the_two_is_missing(self, pack, tmp_path, gone, kind):
        other = shutil.copytree(pack, tmp_path / "p")
        (other / f"{gone}.onnx").unlink()
        self.refused(other, f"no {kind}")

    @pytest.mark.parametrize("name", ["det_10g.onnx", "w600k_r50.onnx"])
    @pytest.mark.parametrize("kept", [0, 3000])
    def test_truncated(self, pack, tmp_path, name, kept):
        other = shutil.copytree(pack, tmp_path / "p")
        source = other / ("det_tiny.onnx" if name.startswith("det") else "rec_tiny.onnx")
        whole = source.read_bytes()
        source.unlink()
        (other / name).write_bytes(whole[:kept])
        expected = "16,923,827" if name.startswith("det") else "174,383,860"
        self.refused(other, name, f"{kept:,} bytes", expected)

    def test_detector_without_points(self, pack, onnx_file, tmp_path):
        import onnx

        other = shutil.copytree(pack, tmp_path / "p")
        model = onnx.load(other / "det_tiny.onnx")
        del model.graph.output[6:]
        onnx.save(model, other / "det_tiny.onnx")
        self.refused(other, "five points")

    def test_recogniser_of_another_size(self, pack, recogniser_file, tmp_path):
        other = shutil.copytree(pack, tmp_path / "p")
        recogniser_file(other / "rec_tiny.onnx", side=128)
        self.refused(other, "not a recognition model")

    def test_recogniser_that_answers_nan(self, pack, blocks, tmp_path):
        import onnx

        other = shutil.copytree(pack, tmp_path / "p")
        model = onnx.load(other / "rec_tiny.onnx")
        scale = next(item for item in model.graph.initializer if item.name.endswith("scale"))
        scale.CopyFrom(onnx.numpy_helper.from_array(np.full(scale.dims, np.nan, np.float32), scale.name))
        onnx.save(model, other / "rec_tiny.onnx")
        backend = make(other)
        frames = [blocks((6, 9))]
        with pytest.raises(WeightsError, match="not finite"):
            backend.embed(frames, backend.detect(frames)[0])

    def test_newer_format(self, pack, tmp_path):
        other = shutil.copytree(pack, tmp_path / "p")
        (other / "manifest.json").write_text("{}")
        self.refused(other, "manifest.json", "buffalo_l")

    @pytest.mark.parametrize(
        "options", [{"det_size": "100"}, {"det_size": "big"}, {"det_thresh": 2}, {"weights": "x"}], ids=str
    )
    def test_options(self, pack, options):
        self.refused(pack, next(iter(options)), **options)


def test_other_models_of_the_pack_are_never_opened(pack, tmp_path):
    other = shutil.copytree(pack, tmp_path / "p")
    for name in ("1k3d68.onnx", "2d106det.onnx", "genderage.onnx"):
        (other / name).write_bytes(b"cut")
    assert locate_pack(other).detector.name == "det_tiny.onnx"


def test_a_gpu_that_onnxruntime_cannot_use_is_refused(pack):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime has CUDA here")
    with pytest.raises(ConfigError, match="onnxruntime-gpu"):
        InsightFaceBackend({"pack": str(pack)}, device="cuda")
    assert InsightFaceBackend({"pack": str(pack)}, device="mps").info.device == "cpu"
