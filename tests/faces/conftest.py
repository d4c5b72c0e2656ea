"""ONNX files with known behaviour: a detector that finds red blocks, and a small recogniser with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

POINT_OFFSETS = np.array([[-12, -8], [12, -9], [1, 2], [-9, 13], [10, 12]], np.float32)
"""Where the detector puts the five points, relative to the red block, in pixels."""
HALF_BOX = 24.0


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def save(path: Path, nodes: list, weights: dict, inputs: list, outputs: list) -> Path:
    """Write a checked ONNX file; inputs and outputs are (name, shape), an output's shape may be None."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if all(shape is not None for _, shape in outputs):
        onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def save_detector(path: Path, sides: tuple = ("height", "width")) -> Path:
    """Write an SCRFD-shaped file: at stride 8 every red cell of 8 x 8 pixels is a face, elsewhere nothing is."""
    nodes, weights, outputs = [], {}, {"score": [], "box": [], "points": []}
    constants = {"box": np.full(4, HALF_BOX), "points": POINT_OFFSETS.ravel()}
    for stride in (8, 16, 32):
        for kind, width in (("score", 1), ("box", 4), ("points", 10)):
            name = f"{kind}{stride}"
            weight = np.zeros((2 * width, 3, stride, stride), np.float32)
            if kind == "score":
                bias = np.array([-8.0, -30.0], np.float32)
                if stride == 8:  # Red minus blue, each in about [-1, 1], averaged over the cell.
                    weight[0, 0], weight[0, 2] = 8 / 64, -8 / 64
            else:
                bias = np.tile(constants[kind] / stride, 2).astype(np.float32)
            weights |= {f"w.{name}": weight, f"b.{name}": bias, f"s.{name}": np.array([-1, width])}
            nodes += [
                helper.make_node("Conv", ["image", f"w.{name}", f"b.{name}"], [f"c.{name}"], strides=[stride] * 2),
                helper.make_node("Transpose", [f"c.{name}"], [f"t.{name}"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"t.{name}", f"s.{name}"], [f"r.{name}" if kind == "score" else name]),
            ]
            if kind == "score":
                nodes.append(helper.make_node("Sigmoid", [f"r.{name}"], [name]))
            outputs[kind].append((name, [f"n{stride}", width]))
    return save(path, nodes, weights, [("image", [1, 3, *sides])], [item for part in outputs.values() for item in part])


def save_recogniser(path: Path, seed: int = 0, mxnet: bool = False, side: int = 112, width: int = 512) -> Path:
    """Write an ArcFace-shaped file with random weights: residual blocks of the operators that iresnet is made of."""
    draw = np.random.default_rng(seed)
    nodes, weights = [], {}

    def add(kind: str, source: str, constants: dict, **attributes) -> str:
        name = f"{kind.lower()}{len(nodes)}"
        weights.update({f"{name}.{part}": value.astype(np.float32) for part, value in constants.items()})
        names = [f"{name}.{part}" for part in constants]
        nodes.append(helper.make_node(kind, [source, *names], [name], name=f"{kind}_{len(nodes)}", **attributes))
        return name

    def conv(source: str, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> str:
        weight = draw.normal(size=(outputs, inputs, kernel, kernel)) / np.sqrt(inputs * kernel**2)
        return add("Conv", source, {"w": weight}, strides=[stride] * 2, pads=[kernel // 2] * 4)

    def norm(source: str, channels: int) -> str:
        parts = {"scale": draw.uniform(0.5, 1.5, channels), "bias": draw.normal(size=channels)}
        parts |= {"mean": draw.normal(size=channels), "var": draw.uniform(0.5, 1.5, channels)}
        return add("BatchNormalization", source, parts, epsilon=2e-5)

    x = "data"
    if mxnet:
        x = add("Mul", add("Sub", x, {"by": np.array(127.5)}), {"by": np.array(1 / 128)})
    x = conv(x, 3, 4, stride=2)
    inputs = 4
    for outputs in (4, 8, 8):
        y = conv(norm(x, inputs), inputs, outputs)
        y = add("PRelu", norm(y, outputs), {"slope": draw.uniform(0, 0.5, (outputs, 1, 1))})
        y = norm(conv(y, outputs, outputs, stride=2), outputs)
        shortcut = norm(conv(x, inputs, outputs, kernel=1, stride=2), outputs)
        nodes.append(helper.make_node("Add", [y, shortcut], [x := f"add{len(nodes)}"]))
        inputs = outputs
    x = add("Flatten", add("Dropout", norm(x, inputs), {}), {}, axis=1)
    cells = inputs * (-(-side // 16)) ** 2
    gemm = {"w": draw.normal(size=(width, cells)) / np.sqrt(cells), "b": draw.normal(size=width)}
    x = norm(add("Gemm", x, gemm, transB=1), width)
    nodes.append(helper.make_node("Identity", [x], ["embedding"]))
    return save(path, nodes, weights, [("data", ["batch", 3, side, side])], [("embedding", ["batch", width])])


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack folder with both files."""
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    folder.mkdir()
    save_detector(folder / "det_tiny.onnx")
    save_recogniser(folder / "rec_tiny.onnx")
    return folder


@pytest.fixture(scope="session")
def recogniser_file() -> Callable[..., Path]:
    """Writes recognisers; see :func:`save_recogniser`."""
    return save_recogniser


@pytest.fixture(scope="session")
def detector_file() -> Callable[..., Path]:
    """Writes detectors; see :func:`save_detector`."""
    return save_detector


@pytest.fixture(scope="session")
def onnx_file() -> Callable[..., Path]:
    """Writes any graph; see :func:`save`."""
    return save


def block_frame(*cells: tuple[int, int], side: int = 128, colour: tuple = (255, 0, 0)) -> NDArray[np.uint8]:
    """A textured dark frame with blocks of 8 x 8 pixels at (row, column) cells."""
    frame = np.random.default_rng(5).integers(0, 60, (side, side, 3), dtype=np.uint8)
    for row, column in cells:
        frame[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = colour
    return frame


@pytest.fixture(scope="session")
def blocks() -> Callable[..., NDArray[np.uint8]]:
    """Makes frames; see :func:`block_frame`."""
    return block_frame


@pytest.fixture(scope="session")
def point_offsets() -> NDArray[np.float32]:
    """See :data:`POINT_OFFSETS`."""
    return POINT_OFFSETS
