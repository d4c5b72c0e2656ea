"""A face backend that detects, and reads expression coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from portraitbench.core.options import Options, parse_options
from portraitbench.datasets.clip import Frame
from portraitbench.faces.base import BackendInfo, Face, FaceBackend, Floats, Grade


class PlugFace(FaceBackend):
    """Takes the whole frame for a face and its quarters' mean colours for an expression."""

    model: ClassVar[str] = "plug"

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        parse_options(Options, options, "face backend plugface")
        self.info = BackendInfo("plugface", "1.2.3", "none", "CC0-1.0", device, Grade.TEST)

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """One face per frame: all of it."""
        return [[Face(np.array([0.0, 0.0, frame.shape[1], frame.shape[0]]), 1.0)] for frame in frames]

    def coefficients(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:
        """Mean colours of the four quarters, shape (N, 12)."""
        return np.stack([self._quarters(frame) for frame in frames])

    def _quarters(self, frame: Frame) -> Floats:
        halves = np.array_split(frame, 2, axis=0)
        means = [part.mean(axis=(0, 1)) for half in halves for part in np.array_split(half, 2, axis=1)]
        return np.concatenate(means) / 255.0
