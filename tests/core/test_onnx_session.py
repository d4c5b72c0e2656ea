from __future__ import annotations

import numpy as np
import pytest

from portraitbench.core.errors import WeightsError
from portraitbench.core.onnx_file import read_onnx
from portraitbench.core.onnx_session import OnnxSession, providers

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")


def write_square_root(path):
    from onnx import TensorProto, helper

    shape = [1, "side"]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Sqrt", ["x"], ["y"])], "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_without_cuda_in_onnxruntime_files_run_on_the_cpu(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert providers("cuda:1", "x", "x") == ["CPUExecutionProvider"]
    have_cuda = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]  # noqa: E731
    monkeypatch.setattr(onnxruntime, "get_available_providers", have_cuda)
    assert providers("cuda:1", "x", "x")[0] == ("CUDAExecutionProvider", {"device_id": 1})
    assert providers("mps", "x", "x") == ["CPUExecutionProvider"]


def test_a_file_runs_and_says_on_what(tmp_path):
    session = OnnxSession(write_square_root(tmp_path / "s.onnx"), "face backend x", "dlib")
    values = np.array([[0.0, 2.25, 16.0]], np.float32)
    np.testing.assert_array_equal(session(values)[0], np.sqrt(values))
    assert (session.provider, session.input, session.input_shape) == ("CPUExecutionProvider", "x", [1, "side"])


def test_what_is_not_finite_or_does_not_run_names_owner_and_file(tmp_path):
    session = OnnxSession(write_square_root(tmp_path / "s.onnx"), "face backend x", "dlib")
    with pytest.raises(WeightsError, match=r"face backend x: .*s\.onnx gives numbers that are not finite"):
        session(np.array([[-1.0]], np.float32))
    with pytest.raises(WeightsError, match=r"face backend x: .*s\.onnx does not run"):
        session(np.zeros((1, 1, 1), np.float32))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(WeightsError, match=r"face backend x: .*bad\.onnx is not a usable ONNX file"):
        OnnxSession(tmp_path / "bad.onnx", "face backend x", "dlib")


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "beside.bin"])
@pytest.mark.parametrize("hidden", [False, True], ids=["weights", "in an attribute"])
def test_weights_in_another_file_are_refused_wherever_it_lies(tmp_path, location, hidden):
    """Also where they could be read: no digest would know of them."""
    from onnx import TensorProto, helper

    folder = tmp_path / "models"
    folder.mkdir()
    np.full(4, 2.0, np.float32).tofile(folder / "beside.bin")
    np.full(4, 3.0, np.float32).tofile(tmp_path / "secret.bin")
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    if hidden:
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weight))
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [] if hidden else [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match=r"face backend x: .*m\.onnx.*keeps weights in a second file \(w\)"):
        OnnxSession(folder / "m.onnx", "face backend x", "dlib")
    with pytest.raises(WeightsError, match=r"m\.onnx: keeps weights in a second file"):
        read_onnx(folder / "m.onnx")
