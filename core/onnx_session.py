"""Running ONNX files by onnxruntime: one thread count, stated providers, errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import WeightsError, one_line
from .onnx_file import read_onnx

Array = NDArray[np.float32]


class OnnxSession:
    """A file run by onnxruntime.

    Args:
        path: ONNX file with one image input.
        owner: Component whose file it is, for messages.
        extra: Extra of this package that brings onnxruntime, for messages.
        device: "cpu", "mps" or "cuda", also "cuda:1". Without a provider for it the file runs on the CPU.
        threads: Threads of one operator. Left to itself onnxruntime takes every processor, whatever a run was allowed:
            others would wait, and another machine could take sums in another order.

    Attributes:
        provider: Execution provider that onnxruntime really took.
        input: Name of the first input.
        input_shape: Shape of the first input; names or None where an axis is free.

    Raises:
        WeightsError: When onnxruntime is missing, or the file is damaged or keeps weights in another file.
    """

    def __init__(self, path: Path, owner: str, extra: str, *, device: str = "cpu", threads: int = 1) -> None:
        chosen = providers(device, owner, extra)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # its warnings are for whoever exports files
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._owner, self._path = owner, path
        try:
            read_onnx(path)  # onnxruntime would follow references to other files
            self._session = onnxruntime.InferenceSession(str(path), options, providers=chosen)
        except Exception as error:
            why = one_line(error, 600).removeprefix(f"{path}: ")  # long enough for the path within, and what is wrong
            raise WeightsError(f"{owner}: {path} is not a usable ONNX file ({why})") from error
        self.provider: str = self._session.get_providers()[0]
        first = self._session.get_inputs()[0]
        self.input: str = first.name
        self.input_shape: list[Any] = list(first.shape)

    def __call__(self, image: Array) -> list[Array]:
        """Run the file on one input.

        Returns:
            Its outputs, in the order of the file.

        Raises:
            WeightsError: When it gives anything but finite numbers, or does not run.
        """
        try:
            outputs: list[Array] = self._session.run(None, {self.input: image})
        except Exception as error:
            raise WeightsError(f"{self._owner}: {self._path} does not run: {one_line(error, 160)}") from error
        if not all(np.isfinite(output).all() for output in outputs):
            raise WeightsError(f"{self._owner}: {self._path} gives numbers that are not finite: fetch it again")
        return outputs


def providers(device: str, owner: str, extra: str) -> list[Any]:
    """What onnxruntime is asked to compute with; the CPU where it cannot use the device.

    Raises:
        WeightsError: When it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise WeightsError(f"{owner}: needs onnxruntime: pip install 'portraitbench[{extra}]'") from error
    kind, _, index = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]  # small networks: a GPU user with the plain onnxruntime loses little
