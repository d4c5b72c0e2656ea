"""Reading ONNX files, without torch and without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import WeightsError, one_line


def read_onnx(path: Path) -> Any:
    """Parse an ONNX file without following references to other files.

    Raises:
        WeightsError: When onnx is not installed, or the file is missing or damaged.
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
    return model
