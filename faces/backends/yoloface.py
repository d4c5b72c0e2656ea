"""Faces by YOLOv5-face in TorchScript: the detector that HunyuanPortrait and Sonic crop with.

The file is the user's own; nothing is downloaded. TorchScript holds a program for torch's own interpreter and no
pickled Python objects of other libraries; it is loaded without running anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.checkpoints import need_file
from ...core.digest import file_sha256
from ...core.errors import WeightsError, one_line
from ...datasets.clip import Frame
from ..base import BackendInfo, Face, Floats, Grade
from ..pixels import resize_bilinear
from ..policy import iou

OWNER = "YOLO-face"
VERSION = "1"
SHORT_SIDE = 416
"""Pixels that a frame's shorter side is resized to, before both sides are rounded up to whole cells."""
STRIDES = (8, 16, 32)
"""Pixels per cell of the network's three grids."""
MIN_SCORE, MAX_OVERLAP = 0.5, 0.45
COLUMNS = 16
"""Numbers per candidate: centre x and y, width, height, objectness, five points, class score."""

Network = Callable[[Tensor, list[Tensor]], Tensor]
"""From RGB in [0, 1] (1, 3, H, W) and a grid of cell positions (1, 1, h, w, 2) per stride to candidates (1, M, 16)."""


class YoloFace:
    """Finds faces with five points.

    Args:
        network: See :data:`Network`.
        device: Where it runs.
        weights: sha256 of its file, or "none".
        grade: Whether its answers are measurements.
    """

    def __init__(
        self, network: Network, *, device: str = "cpu", weights: str = "none", grade: Grade = Grade.REAL
    ) -> None:
        self._network = network
        self._device = torch.device(device)
        licence = "the publisher's; YOLOv5-face's own code is GPL-3.0: check before use"
        self.info = BackendInfo("yoloface", VERSION, weights, licence, device, grade)

    @classmethod
    def of_file(cls, path: Path, *, device: str = "cpu") -> YoloFace:
        """Load a TorchScript file.

        Raises:
            WeightsError: When it is missing or no TorchScript.
        """
        need_file(path, OWNER, "fetch yoloface_v5m.pt, see 'bench doctor'")
        try:
            # Annotated nowhere in torch.
            network: Any = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            reason = one_line(error, 100)
            raise WeightsError(f"{OWNER}: {path} is no TorchScript file ({reason}): fetch it again") from error
        return cls(network.eval(), device=device, weights=file_sha256(path))

    @torch.no_grad()
    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """See :meth:`~..base.Detects.detect`; best score first."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> list[Face]:
        height, width = network_size(*frame.shape[:2])
        image = resize_bilinear(frame, height, width)[None] / 255
        try:
            answer = self._network(image.to(self._device), grids(height, width, self._device))
        except RuntimeError as error:
            raise WeightsError(f"{OWNER}: the file is of another model: {one_line(error, 100)}") from error
        if not isinstance(answer, Tensor) or answer.ndim != 3 or answer.shape[-1] != COLUMNS:
            raise WeightsError(f"{OWNER}: the file is of another model: its answer is not of shape (1, M, {COLUMNS})")
        candidates: Floats = answer[0].double().cpu().numpy()
        scale = np.array([frame.shape[1] / width, frame.shape[0] / height])
        return keep_best(decode(candidates, scale))


def network_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the network's picture for a frame; the proportions change a little.

    >>> network_size(512, 512), network_size(720, 1280)
    ((416, 416), (416, 768))
    """
    ratio = SHORT_SIDE / min(height, width)
    cell = STRIDES[-1]
    tall, wide = (int(side * ratio + cell - 1) // cell * cell for side in (height, width))
    return tall, wide


def grids(height: int, width: int, device: torch.device) -> list[Tensor]:
    """Positions (x, y) of the cells of each grid, shape (1, 1, h, w, 2)."""
    found = []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        found.append(torch.stack([x, y], dim=-1)[None, None].float().to(device))
    return found


def decode(candidates: Floats, scale: Floats) -> list[Face]:
    """Candidates that score enough, as faces in pixels of the frame.

    Args:
        candidates: Shape (M, 16).
        scale: Frame pixels per picture pixel, x and y.
    """
    sure = candidates[candidates[:, 4] > MIN_SCORE]
    scores = sure[:, 4] * sure[:, 15]
    faces = []
    for row, score in zip(sure, scores, strict=True):
        if score > MIN_SCORE:
            centre, size = row[:2], row[2:4]
            box = np.concatenate([centre - size / 2, centre + size / 2]) * np.tile(scale, 2)
            faces.append(Face(box, float(score), row[5:15].reshape(5, 2) * scale))
    return faces


def keep_best(faces: list[Face]) -> list[Face]:
    """Of faces whose boxes overlap keep the one with the best score; best first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(iou(face.box, other.box) <= MAX_OVERLAP for other in kept):
            kept.append(face)
    return kept
