"""ONNX graphs as torch modules: a small interpreter for feed-forward recognition networks, so that they have gradients.

onnxruntime cannot differentiate. Only the operators such networks are exported with are known; any other is refused
when the file is read, never skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import WeightsError
from .onnx_file import read_onnx

Attributes = dict[str, Any]
Operator = Callable[..., Tensor]


@dataclass(frozen=True)
class _Node:
    operator: Operator
    attributes: Attributes
    inputs: tuple[str, ...]
    output: str


class OnnxModule(nn.Module):
    """The graph of an ONNX file with one input and one output, differentiable, with frozen weights as buffers.

    Args:
        path: The file.

    Raises:
        WeightsError: When the file is damaged, keeps weights in a second file, uses an operator that is not known
            here, or has several inputs or outputs.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = read_onnx(path).graph
        constants = {item.name for item in graph.initializer}
        inputs = [item.name for item in graph.input if item.name not in constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise WeightsError(f"{path}: expected one input and one output, not {len(inputs)} and {len(graph.output)}")
        unknown = sorted({node.op_type for node in graph.node if _operator(node) is None})
        if unknown:
            raise WeightsError(f"{path}: operators {', '.join(unknown)} cannot be differentiated here")
        self._input, self._output = inputs[0], graph.output[0].name
        self._buffer_names: dict[str, str] = {}
        for item in graph.initializer:
            self._keep(item.name, _tensor(item, path))
        self._nodes: list[_Node] = []
        for node in graph.node:
            attributes = _attributes(node)
            if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
                raise WeightsError(f"{path}: {node.op_type} pads automatically, which cannot be differentiated here")
            if node.op_type == "Constant":
                self._keep(node.output[0], _constant(attributes, path))
            else:
                operator = _operator(node) or _identity
                self._nodes.append(_Node(operator, attributes, tuple(node.input), node.output[0]))

    def forward(self, x: Tensor) -> Tensor:
        """Run the graph."""
        values = {name: self.get_buffer(buffer) for name, buffer in self._buffer_names.items()}
        values[self._input] = x
        for node in self._nodes:
            arguments = [values[name] if name else None for name in node.inputs]
            values[node.output] = node.operator(node.attributes, *arguments)
        return values[self._output]

    def _keep(self, name: str, value: Tensor) -> None:
        """Register a constant; ONNX names may hold dots and slashes, buffer names may not."""
        self._buffer_names[name] = f"constant_{len(self._buffer_names)}"
        self.register_buffer(self._buffer_names[name], value)


def _tensor(item: Any, path: Path) -> Tensor:
    from onnx import TensorProto, numpy_helper

    if item.data_location == TensorProto.EXTERNAL:
        raise WeightsError(f"{path}: keeps its weights in a second file, which is not supported")
    tensor = torch.from_numpy(numpy_helper.to_array(item).copy())
    return tensor.float() if tensor.is_floating_point() else tensor


def _attributes(node: Any) -> Attributes:
    from onnx import helper

    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _constant(attributes: Attributes, path: Path) -> Tensor:
    if "value" in attributes:
        return _tensor(attributes["value"], path)
    (value,) = attributes.values()
    return torch.tensor(value)


def _identity(_: Attributes, x: Tensor, *_rest: Tensor | None) -> Tensor:
    """Also Dropout, whose further inputs (ratio, mode) do nothing at inference."""
    return x


def _conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x = _padded(a, x, weight.ndim - 2)
    ones = [1] * (weight.ndim - 2)
    stride, dilation = a.get("strides", ones), a.get("dilations", ones)
    convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[weight.ndim]
    result: Tensor = convolve(x, weight, bias, stride=stride, dilation=dilation, groups=a.get("group", 1))
    return result


def _max_pool(a: Attributes, x: Tensor) -> Tensor:
    kernel = a["kernel_shape"]
    x = _padded(a, x, len(kernel), value=float("-inf"))
    pooled: Tensor = F.max_pool2d(x, kernel, stride=a.get("strides", [1, 1]), ceil_mode=bool(a.get("ceil_mode", 0)))
    return pooled


def _padded(a: Attributes, x: Tensor, dimensions: int, value: float = 0.0) -> Tensor:
    """Pad as ONNX says: all begins, then all ends; torch wants pairs from the last dimension on."""
    pads: Sequence[int] = a.get("pads", [0] * 2 * dimensions)
    order = [pads[i + side * dimensions] for i in reversed(range(dimensions)) for side in (0, 1)]
    return F.pad(x, order, value=value) if any(order) else x


def _batch_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, training=False, eps=a.get("epsilon", 1e-5))


def _gemm(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product = (x.t() if a.get("transA", 0) else x) @ (weight.t() if a.get("transB", 0) else weight)
    alpha, beta = float(a.get("alpha", 1.0)), float(a.get("beta", 1.0))
    return alpha * product if bias is None else alpha * product + beta * bias


def _flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1)
    return x.reshape(x.shape[: axis if axis >= 0 else x.ndim + axis].numel(), -1)


def _reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = [int(size) for size in shape]
    if not a.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


OPERATORS: dict[str, Operator] = {
    "Add": lambda _, x, y: x + y,
    "BatchNormalization": _batch_norm,
    "Constant": _identity,
    "Conv": _conv,
    "Div": lambda _, x, y: x / y,
    "Dropout": _identity,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True),
    "Identity": _identity,
    "MatMul": lambda _, x, y: x @ y,
    "MaxPool": _max_pool,
    "Mul": lambda _, x, y: x * y,
    "PRelu": lambda _, x, slope: torch.where(x > 0, x, slope * x),
    "Relu": lambda _, x: F.relu(x),
    "Reshape": _reshape,
    "Sigmoid": lambda _, x: torch.sigmoid(x),
    "Sub": lambda _, x, y: x - y,
    "Transpose": lambda a, x: x.permute(a.get("perm", tuple(reversed(range(x.ndim))))),
}
"""What the interpreter knows; see the ONNX operator reference for the meaning of each."""


def _operator(node: Any) -> Operator | None:
    return OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
