"""HSEmotion's backend on a linear network of the same shape, whose answer is known in closed form."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from onnx import helper

from portraitbench.core.errors import ConfigError, WeightsError
from portraitbench.faces.backends.hsemotion import HsemotionBackend
from portraitbench.faces.base import EMOTION, Face, provided_features
from portraitbench.metrics.resolve import default_metrics, resolve

BOX = np.array([10.0, 20, 60, 80])


@pytest.fixture
def linear(tmp_path, onnx_file):
    """Averages each channel over the picture, then mixes the three means into emotions, valence and arousal."""

    def make(outputs=10, scale=0.1, channels=3):
        draw = np.random.default_rng(0)
        weights = {
            "w": (scale * draw.normal(size=(3, outputs))).astype(np.float32),
            "b": np.linspace(-0.2, 0.2, outputs).astype(np.float32),
        }
        nodes = [
            helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["scores"]),
        ]
        path = tmp_path / "enet_b0_8_va_mtl.onnx"
        onnx_file(path, nodes, weights, [("input", ["n", channels, 224, 224])], [("scores", ["n", outputs])])
        return path, weights

    return make


@pytest.fixture
def frame():
    return np.random.default_rng(1).integers(0, 256, (100, 90, 3), dtype=np.uint8)


def test_the_answer_is_the_closed_form(linear, frame):
    path, weights = linear()
    values = HsemotionBackend({"weights": path}).valence_arousal([frame], [Face(BOX, 1.0)])
    square = cv2.resize(frame[20:80, 10:60], (224, 224)) / 255
    means = [
        (square[..., c].mean() - m) / s for c, (m, s) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])
    ]
    assert values[0] == pytest.approx((np.array(means) @ weights["w"] + weights["b"])[-2:], abs=1e-5)


def test_it_clips_and_leaves_out_boxes_outside(linear, frame):
    backend = HsemotionBackend({"weights": linear(scale=50)[0].parent})
    values = backend.valence_arousal([frame, frame], [Face(BOX, 1.0), Face(BOX + 500, 1.0)])
    assert np.abs(values[0]).max() == 1
    assert np.isnan(values[1]).all()


def test_it_is_never_taken_for_emonet(linear):
    backend = HsemotionBackend({"weights": linear()[0]})
    features = provided_features(backend)
    assert features == {"emotion/hsemotion"}
    ids = {metric.spec.id for metric in default_metrics(resolve("va_ccc[hsemotion]").spec.kinds[0], features)}
    assert ids == {"va_ccc[hsemotion]/1"}
    assert not {metric.spec.id for metric in default_metrics(resolve("emo_sim").spec.kinds[0], {EMOTION})} & ids
    with pytest.raises(ConfigError, match="name the model"):
        resolve("va_ccc")


@pytest.mark.parametrize("case", ["none", "missing", "damaged", "outputs", "gray"])
def test_files_that_do_not_fit(tmp_path, linear, frame, case):
    path = tmp_path / "x.onnx"
    if case == "damaged":
        path.write_bytes(b"no model")
    if case in ("outputs", "gray"):
        path = linear(outputs=8)[0] if case == "outputs" else linear(channels=1)[0]
    options = {} if case == "none" else {"weights": path}
    with pytest.raises(WeightsError, match="EmotiEffLib"):
        HsemotionBackend(options).valence_arousal([frame], [Face(BOX, 1.0)])
