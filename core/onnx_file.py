"""Reading ONNX files, without torch and without running them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import WeightsError, one_line


def require_image_model(path: Path, sides: tuple[int, int], outputs: int) -> None:
    """See that a file is an ONNX model of images; without onnx it is not looked at.

    Args:
        path: The file.
        sides: Height and width of its image input; axes that it leaves open fit.
        outputs: How many outputs it has at least.

    Raises:
        WeightsError: In words that complete a sentence about the file.
    """
    try:
        graph = read_onnx(path).graph
    except WeightsError as error:
        if "needs onnx" in str(error):
            return  # Nobody asked to run it; making the session says what to install.
        raise WeightsError("is not a readable ONNX file, maybe cut short") from error
    constants = {item.name for item in graph.initializer}
    images = [item for item in graph.input if item.name not in constants]
    found = [axis.dim_value for axis in images[0].type.tensor_type.shape.dim][1:] if images else []
    expected = [3, *sides]
    fits = len(found) == 3 and all(side in (0, other) for side, other in zip(found, expected, strict=True))
    if not fits or len(graph.output) < outputs:
        raise WeightsError(
            f"belongs to another model: its image input is {found}, not {expected}, or it has {len(graph.output)} "
            f"outputs, not {outputs}"
        )


def read_onnx(path: Path) -> Any:
    """Parse an ONNX file without following references to other files.

    Raises:
        WeightsError: When onnx is not installed, the file is missing or damaged, or keeps weights in another file.
    """
    try:
        import onnx
    except ImportError as error:
        raise WeightsError(f"{path}: reading it needs onnx: pip install 'portraitbench[arcface]'") from error
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise WeightsError(f"{path}: not a readable ONNX file ({one_line(error, 120)}): fetch it again") from error
    if not model.graph.node:
        raise WeightsError(f"{path}: an ONNX file without a graph: fetch it again")
    if other := next((tensor for tensor in _tensors(model.graph) if tensor.external_data), None):
        # The other file may lie anywhere, and no digest would know of it.
        raise WeightsError(f"{path}: keeps weights in a second file ({other.name}): save it as one ONNX file")
    return model


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors of a graph: its weights, and those in the attributes of its nodes, at any depth."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
