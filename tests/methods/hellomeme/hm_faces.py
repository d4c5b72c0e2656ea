"""Small ONNX face models whose answers depend on the picture, and clips that they see faces in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from portraitbench.datasets.clip import Clip

STRIDES = (8, 16, 32)


def face_layout():
    """222 points of a face that fills a level crop but for the margin, in [0, 1], shape (222, 2)."""
    draw = np.random.RandomState(3)
    points = draw.uniform(0.2, 0.8, (222, 2))
    angle = np.linspace(np.pi, 0, 33)
    points[:33] = np.column_stack([0.5 + 0.4 * np.cos(angle), 0.5 + 0.425 * np.sin(angle)])
    points[48:74, 1] = draw.uniform(0.075, 0.3, 26)
    points[48, 1] = 0.075
    points[0, 0], points[32, 0] = 0.075, 0.925
    points[[74, 96]] = [[0.3, 0.36], [0.7, 0.37]]
    points[182:202] = draw.uniform(-0.02, 0.02, (20, 2)) + np.array([0.36, 0.36])
    points[202:] = draw.uniform(-0.02, 0.02, (20, 2)) + np.array([0.64, 0.36])
    points[[33, 36, 149, 133]] = [[0.5, 0.4], [0.5, 0.55], [0.38, 0.72], [0.62, 0.73]]
    return points


def _save(path, nodes, weights, image, outputs):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *image])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def save_detector(path: Path) -> Path:
    """Every cell of eight pixels that is red is a face; its box also depends on the picture. Coarser grids see none."""
    draw = np.random.RandomState(1)
    nodes, weights, scores, boxes = [], {}, [], []
    for stride in STRIDES:
        rows = -(-272 // stride)  # the coarsest grid, too, covers the last rows of the picture
        cells, pads = rows * (160 // stride), [0, 0, rows * stride - 272, 0]
        weight = np.zeros((1, 3, stride, stride), np.float32)
        bias = np.float32([-9.0])
        if stride == 8:
            weight[0, 2], weight[0, 0], bias = 4 / 64, -4 / 64, np.float32([-6.0])  # channels come blue first
        peaks = np.zeros((32, 1), np.float32)
        peaks[[3, 8 + 3, 16 + 3, 24 + 4]] = 4.0
        box = (draw.normal(size=(32, 3, stride, stride)) * 0.4 / stride).astype(np.float32)
        weights |= {f"ws{stride}": weight, f"bs{stride}": bias, f"wb{stride}": box, f"bb{stride}": peaks[:, 0]}
        weights |= {f"rs{stride}": np.array([1, cells, 1]), f"rb{stride}": np.array([1, cells, 32])}
        nodes += [
            helper.make_node(
                "Conv", ["image", f"ws{stride}", f"bs{stride}"], [f"cs{stride}"], strides=[stride] * 2, pads=pads
            ),
            helper.make_node("Sigmoid", [f"cs{stride}"], [f"ps{stride}"]),
            helper.make_node("Reshape", [f"ps{stride}", f"rs{stride}"], [f"score{stride}"]),
            helper.make_node(
                "Conv", ["image", f"wb{stride}", f"bb{stride}"], [f"cb{stride}"], strides=[stride] * 2, pads=pads
            ),
            helper.make_node("Transpose", [f"cb{stride}"], [f"tb{stride}"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"tb{stride}", f"rb{stride}"], [f"box{stride}"]),
        ]
        scores.append((f"score{stride}", [1, cells, 1]))
        boxes.append((f"box{stride}", [1, cells, 32]))
    return _save(path, nodes, weights, (272, 160), [*scores, *boxes])


def _save_reader(path, side, seed, outputs):
    """A network that pools the picture to 8 x 8 and answers linearly; outputs are (name, bias, amplitude).

    Of "prob" the weights are given instead of an amplitude.
    """
    draw = np.random.RandomState(seed)
    pool = side // 8
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[pool, pool], strides=[pool, pool]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
    ]
    weights, described = {}, []
    for name, bias, amplitude in outputs:
        bias = np.asarray(bias, np.float32)
        weight = amplitude
        if name != "prob":
            weight = draw.normal(size=(192, bias.size)) * amplitude / np.sqrt(192)
        if name == "numbers":
            weight[:, 1198:1200] *= 0.03  # heads stand near the middle of the picture
        weights |= {f"w.{name}": weight.astype(np.float32), f"b.{name}": bias}
        nodes.append(helper.make_node("Gemm", ["flat", f"w.{name}", f"b.{name}"], [name]))
        described.append((name, [1, bias.size]))
    return _save(path, nodes, weights, (side, side), described)


def save_models(root: Path) -> Path:
    """All four face models below ``root``, laid out as a weights folder."""
    folder = root / "hello_group_facemodel"
    save_detector(folder / "hello_face_det.onnx")
    middle = np.zeros((3, 8, 8))
    middle[2, 3:5, 3:5], middle[0, 3:5, 3:5] = 0.25, -0.25  # a face is what is red in the middle; blue comes first
    outputs = [
        ("landmark", face_layout().T.ravel(), 0.05),
        ("euler", [0.2, -0.3, 0.0], 0.2),
        ("prob", [-0.2], middle.reshape(192, 1)),
    ]
    _save_reader(folder / "hello_face_landmark.onnx", 128, 5, outputs)
    numbers = np.random.RandomState(8).normal(size=1201)
    numbers[1168:1171], numbers[1198:1201] = [0.1, -0.2, 0.05], [0.01, -0.01, -6.0]
    _save_reader(folder / "hello_3dmm.onnx", 224, 6, [("numbers", numbers, 0.6)])
    _save_reader(folder / "hello_arkit_blendshape.onnx", 224, 7, [("coefficients", np.full(51, 0.4), 0.3)])
    return root


def portrait(centre, tilt=0.0, size=800, seed=0, marked=True):
    """A textured picture with a head of soft blocks; the red mark in its middle is what the detector looks for."""
    draw = np.random.RandomState(seed)
    ground = np.kron(draw.randint(40, 90, (16, 16, 3)), np.ones((size // 16, size // 16, 1)))
    rows, columns = np.mgrid[:size, :size]
    x, y = columns - centre[0], rows - centre[1]
    u, v = x * np.cos(tilt) + y * np.sin(tilt), -x * np.sin(tilt) + y * np.cos(tilt)
    head = (u / 110) ** 2 + (v / 140) ** 2 < 1
    shade = np.stack([120 + 40 * np.sin(u / 31), 110 + 35 * np.cos(v / 27), 130 + 30 * np.sin((u + v) / 40)], -1)
    ground[head] = shade[head]
    if marked:
        # Uneven, so that no two cells score the same.
        mark = np.stack([250 - 0.9 * abs(u + 5) - 0.7 * abs(v - 3), 20 + 0.1 * u, 15 + 0.1 * v], -1)
        inside = (abs(u) < 60) & (abs(v) < 60)
        ground[inside] = mark[inside]
    return np.clip(ground, 0, 255).astype(np.uint8)


def moving_clip(frames=5, hidden=()):
    """A head that wanders and tilts; in ``hidden`` frames there is none."""
    pictures = []
    for row in range(frames):
        centre = (390 + 9 * row, 420 - 6 * row + 4 * (row % 2))
        picture = portrait(centre, 0.06 * row, marked=True)
        pictures.append(portrait((-900, -900), marked=False) if row in hidden else picture)
    return Clip(np.stack(pictures), Fraction(8))
