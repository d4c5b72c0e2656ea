"""ONNX face models behind one interface: a picture goes in, arrays come out."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import WeightsError
from ....core.onnx_session import OnnxSession
from ....datasets.clip import Frame
from ..weights import EXTRA, OWNER

Array = NDArray[np.float32]


class FaceNetwork(Protocol):
    """A network that reads one picture."""

    def __call__(self, image: Array) -> list[Array]:
        """Its outputs in the order of the file, for an image of shape (1, 3, H, W)."""
        ...


class OnnxNetwork(OnnxSession):
    """A face network's file, run with as many threads as torch: a run sets and records that number.

    Args:
        path: The file.
        device: "cpu", "mps" or "cuda", also "cuda:1"; see :class:`OnnxSession`.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        super().__init__(path, OWNER, EXTRA, device=device, threads=torch.get_num_threads())


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
