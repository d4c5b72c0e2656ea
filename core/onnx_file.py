"""Reading ONNX files, without torch and without running them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import WeightsError, one_line


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
