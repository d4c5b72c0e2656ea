from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from portraitbench.core.errors import WeightsError
from portraitbench.core.onnx_torch import OnnxModule

ort = pytest.importorskip("onnxruntime")


def both(path, x):
    """Answers of onnxruntime and of the interpreter."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: x})
    return expected, OnnxModule(path)(torch.from_numpy(x)).numpy()


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("mxnet", [False, True])
def test_recogniser_equals_onnxruntime(recogniser_file, tmp_path, mxnet):
    path = recogniser_file(tmp_path / "r.onnx", seed=3, mxnet=mxnet)
    expected, found = both(path, images(3, 3, 112, 112) * (127 if mxnet else 1))
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def node(kind, *inputs, **attributes):
    return [helper.make_node(kind, ["x", *inputs], ["y"], **attributes)]


W = images(6, 2, 3, 2, seed=1)
CASES = {
    "conv with groups, stride, dilation and uneven padding": (
        node("Conv", "w", "b", group=2, strides=[2, 1], dilations=[1, 2], pads=[0, 1, 2, 3]),
        {"w": W, "b": images(6)},
        (2, 4, 9, 8),
    ),
    "conv1d": (node("Conv", "w", pads=[2, 0]), {"w": images(5, 4, 3)}, (2, 4, 9)),
    "max pool with padding": (
        node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        {},
        (1, 2, 7, 8),
    ),
    "gemm": (
        node("Gemm", "w", "b", alpha=0.5, beta=2.0, transA=1),
        {"w": images(3, 5), "b": images(5)},
        (3, 4),
    ),
    "matmul": (node("MatMul", "w"), {"w": images(4, 6)}, (2, 3, 4)),
    "prelu with one slope": (node("PRelu", "w"), {"w": np.array([0.3], np.float32)}, (2, 3, 4, 4)),
    "reshape keeps a size and infers one": (node("Reshape", "s"), {"s": np.array([0, -1, 2])}, (2, 3, 4)),
    "transpose": (node("Transpose", perm=[2, 0, 1]), {}, (2, 3, 4)),
    "transpose reverses by default": (node("Transpose"), {}, (2, 3, 4)),
    "flatten at a later axis": (node("Flatten", axis=2), {}, (2, 3, 4, 5)),
    "flatten at a negative axis": (node("Flatten", axis=-1), {}, (2, 3, 4, 5)),
    "global average pool": (node("GlobalAveragePool"), {}, (2, 3, 4, 5)),
    "div": (node("Div", "w"), {"w": np.array([2.0, 4.0, 8.0, 0.5], np.float32)}, (3, 4)),
    "sigmoid": (node("Sigmoid"), {}, (3, 4)),
    "relu": (node("Relu"), {}, (3, 4)),
    "constant": (
        [
            helper.make_node("Constant", [], ["c"], value=onnx.numpy_helper.from_array(images(4, seed=9))),
            helper.make_node("Add", ["x", "c"], ["y"]),
        ],
        {},
        (3, 4),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_operator_equals_onnxruntime(onnx_file, tmp_path, case):
    nodes, weights, shape = CASES[case]
    path = onnx_file(tmp_path / "m.onnx", nodes, weights, [("x", shape)], [("y", None)])
    expected, found = both(path, images(*shape))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_gradient_is_right(recogniser_file, tmp_path):
    network = OnnxModule(recogniser_file(tmp_path / "r.onnx", side=16, width=6)).double()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (x,), fast_mode=True)
    assert not list(network.parameters())


def test_an_unknown_operator_is_named(onnx_file, tmp_path):
    nodes = [helper.make_node("Erf", ["x"], ["z"]), helper.make_node("Softplus", ["z"], ["y"])]
    path = onnx_file(tmp_path / "m.onnx", nodes, {}, [("x", (2, 3))], [("y", (2, 3))])
    with pytest.raises(WeightsError, match=r"m\.onnx: operators Erf, Softplus"):
        OnnxModule(path)


def test_an_operator_of_another_domain_is_not_taken_for_ours(tmp_path):
    relu = helper.make_node("Relu", ["x"], ["y"], domain="com.example")
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (2,)) for name in "xy"]
    onnx.save(helper.make_model(helper.make_graph([relu], "g", info[:1], info[1:])), str(tmp_path / "m.onnx"))
    with pytest.raises(WeightsError, match="Relu"):
        OnnxModule(tmp_path / "m.onnx")


def test_automatic_padding_is_refused(onnx_file, tmp_path):
    nodes = node("Conv", "w", auto_pad="SAME_UPPER")
    path = onnx_file(tmp_path / "m.onnx", nodes, {"w": images(2, 3, 3, 3)}, [("x", (1, 3, 5, 5))], [("y", None)])
    with pytest.raises(WeightsError, match=r"m\.onnx: Conv pads"):
        OnnxModule(path)


def test_two_outputs_are_refused(onnx_file, tmp_path):
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Sigmoid", ["x"], ["z"])]
    path = onnx_file(tmp_path / "m.onnx", nodes, {}, [("x", (2,))], [("y", (2,)), ("z", (2,))])
    with pytest.raises(WeightsError, match="one output"):
        OnnxModule(path)


@pytest.mark.parametrize("kept", [0, 10, 2000, -1])
def test_a_file_cut_short_is_refused(recogniser_file, tmp_path, kept):
    whole = recogniser_file(tmp_path / "r.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[:kept] if kept >= 0 else whole[:-40])
    with pytest.raises(WeightsError, match=r"cut\.onnx"):
        OnnxModule(tmp_path / "cut.onnx")


def test_weights_in_a_second_file_are_refused(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\0" * 16)
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../secret.bin"
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (4,)) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", info[:1], info[1:], [weight])
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / "m.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(WeightsError, match="second file"):
        OnnxModule(path)
