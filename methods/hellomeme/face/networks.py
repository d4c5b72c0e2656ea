"""ONNX face models behind one interface: a picture goes in, arrays come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import WeightsError, one_line
from ....datasets.clip import Frame
from ..weights import OWNER

Array = NDArray[np.float32]


class FaceNetwork(Protocol):
    """A network that reads one picture."""

    def __call__(self, image: Array) -> list[Array]:
        """Its outputs in the order of the file, for an image of shape (1, 3, H, W)."""
        ...


class OnnxNetwork:
    """A file run by onnxruntime.

    Args:
        path: The file.
        device: "cpu", "mps" or "cuda", also "cuda:1". Without a provider for it the file runs on the CPU.

    Attributes:
        provider: The execution provider that onnxruntime really took.

    Raises:
        WeightsError: When onnxruntime is missing, or the file is damaged.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        chosen = providers(device)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # its warnings are for whoever exports files
        # Left to itself it takes every processor, whatever a run was allowed: others would wait, and another machine
        # could take sums in another order. torch's number is the one that a run sets and records.
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=chosen)
        except Exception as error:
            raise WeightsError(f"{OWNER}: {path} is not a usable ONNX file ({one_line(error, 120)})") from error
        self._input = self._session.get_inputs()[0].name
        self.provider: str = self._session.get_providers()[0]
        self._path = path

    def __call__(self, image: Array) -> list[Array]:
        """See :class:`FaceNetwork`.

        Raises:
            WeightsError: When the file answers with anything but finite numbers, or not at all.
        """
        try:
            answers: list[Array] = self._session.run(None, {self._input: image})
        except Exception as error:
            raise WeightsError(f"{OWNER}: {self._path} does not run: {one_line(error, 160)}") from error
        if not all(np.isfinite(answer).all() for answer in answers):
            raise WeightsError(f"{OWNER}: {self._path} gives numbers that are not finite: fetch it again")
        return answers


def picture(frame: Frame, *, bgr: bool) -> Array:
    """A frame as the networks want it, in [0, 1], shape (1, 3, H, W)."""
    ordered = frame[..., ::-1] if bgr else frame
    return (ordered.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)


def first_row(answer: Array, width: int, what: str) -> Array:
    """The first row of an output.

    Raises:
        WeightsError: When it has fewer than ``width`` numbers.
    """
    row: Array = np.asarray(answer, np.float32).reshape(len(answer) or 1, -1)[0]
    if row.size < width:
        raise WeightsError(f"{OWNER}: {what} gives {row.size} numbers, not {width}: the file is of another model")
    return row


def providers(device: str) -> list[Any]:
    """What onnxruntime is asked to compute with; the CPU where it cannot use the device.

    Raises:
        WeightsError: When it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise WeightsError(
            f"{OWNER}: its face tools need onnxruntime: pip install 'portraitbench[hellomeme]'"
        ) from error
    kind, _, index = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]  # small networks: a GPU user with the plain onnxruntime loses little
