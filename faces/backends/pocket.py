"""The embedded face backend: no download, no extra, and numbers that only compare embedded results with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...core.checkpoints import check_device
from ...core.digest import file_sha256
from ...core.errors import WeightsError
from ...core.options import Options, parse_options
from ...datasets.clip import Frame
from ..base import BackendInfo, Face, FaceBackend, Floats, Grade

if TYPE_CHECKING:
    from torch import Tensor

    from ..networks.pocket import DifferentiablePocketFace, PocketFaceNet

ADAPTER_VERSION = 1
OWNER = "face backend pocket"
LICENCE = "Apache-2.0; trained on renders of the ICT face model (MIT)"

SIZE = 128
"""Side of the picture the network reads."""
WEIGHTS = Path(__file__).parents[1] / "weights_pocket" / "pocket_face.safetensors"

_BATCH = 32


class PocketFaceOptions(Options):
    """Options of the embedded backend.

    Attributes:
        threshold: Presence (a probability) from which a frame counts as a portrait.
    """

    threshold: float = 0.5


class PocketBackend(FaceBackend):
    """Reads rendered portraits: presence, 68 landmarks, identity, valence and arousal.

    The network looks at the whole frame (its middle square), which one upright face must fill about as in the embedded
    suites: it finds no small faces, and never more than one. It was trained on renders only; on photographs its
    numbers mean nothing. Faces are a frame's own, so the ``faces`` given to the readers do not change what they say.

    Args:
        options: See :class:`PocketFaceOptions`.
        device: "cpu", "cuda" or "mps".

    Raises:
        ConfigError: When an option is malformed or the device is absent.
        WeightsError: When the weights in the package are missing or damaged.
    """

    name = "pocket"
    options_model = PocketFaceOptions

    space: ClassVar[str] = "pocket"

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        self._options = parse_options(PocketFaceOptions, options, OWNER)
        check_device(device, OWNER)
        if not WEIGHTS.is_file():
            raise WeightsError(
                f"{OWNER}: {WEIGHTS} is missing: reinstall portraitbench, its weights are in the package"
            )
        self._device = device
        self.info = BackendInfo(
            name="pocket",
            version=str(ADAPTER_VERSION),
            weights=file_sha256(WEIGHTS),
            licence=LICENCE,
            device=device,
            grade=Grade.EMBEDDED,
            options={"threshold": self._options.threshold},
        )

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """One face where the network sees a portrait: the box of its landmarks, and the presence as score."""
        reading = self._read(frames)
        scores = 1 / (1 + np.exp(-reading["presence"]))
        points = _in_frame(frames, reading["landmarks"])
        return [
            [Face(np.concatenate([own.min(axis=0), own.max(axis=0)]), float(score))]
            if score >= self._options.threshold
            else []
            for score, own in zip(scores, points, strict=True)
        ]

    def landmarks(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:  # noqa: ARG002 - see the class
        """The 68 points of one face per frame, shape (N, 68, 2), in pixels of each frame."""
        return _in_frame(frames, self._read(frames)["landmarks"])

    def embed(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:  # noqa: ARG002 - see the class
        """Identity vectors, not normalised, shape (N, 64); compare them by cosine."""
        return self._read(frames)["identity"]

    def emotion(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Floats:  # noqa: ARG002 - see the class
        """Valence and arousal by the renders' convention, clipped to [-1, 1], shape (N, 2)."""
        clipped: Floats = np.clip(self._read(frames)["emotion"], -1.0, 1.0)
        return clipped

    def differentiable(self) -> DifferentiablePocketFace:
        """The same network with gradients to the pixels."""
        from ..networks.pocket import DifferentiablePocketFace, load_pocket_face

        return DifferentiablePocketFace(load_pocket_face(WEIGHTS, self._device))

    @cached_property
    def _network(self) -> PocketFaceNet:
        from ..networks.pocket import load_pocket_face

        return load_pocket_face(WEIGHTS, self._device)

    def _read(self, frames: Sequence[Frame]) -> dict[str, Floats]:
        """All parts of the network's reading, by name, with one row per frame."""
        import torch

        rows = []
        for start in range(0, max(1, len(frames)), _BATCH):
            # Without frames a blank one gives the shapes; its row is cut off below.
            inputs = [network_input(frame) for frame in frames[start : start + _BATCH]] or [
                torch.zeros(1, 3, SIZE, SIZE)
            ]
            with torch.inference_mode():
                rows.append(self._network(torch.cat(inputs).to(self._device)))
        return {
            part: torch.cat([getattr(row, part) for row in rows])[: len(frames)].cpu().double().numpy()
            for part in ("presence", "landmarks", "identity", "emotion")
        }


def _in_frame(frames: Sequence[Frame], points: Floats) -> Floats:
    """Points of the network's picture in the pixels of the frames they came from."""
    moved = np.empty_like(points)
    for row, frame in enumerate(frames):
        x, y, side = middle_square(frame)
        moved[row] = (points[row] + 0.5) * side / SIZE - 0.5 + (x, y)
    return moved


def middle_square(frame: Frame) -> tuple[int, int, int]:
    """Left, top and side of the largest square in the middle of a frame."""
    height, width = frame.shape[:2]
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def network_input(frame: Frame) -> Tensor:
    """A frame's middle square as the network reads it: RGB in [-1, 1], shape (1, 3, 128, 128).

    Resized with antialiasing where it is not 128 px already.
    """
    import torch
    from torch.nn import functional as F

    x, y, side = middle_square(frame)
    square = torch.from_numpy(np.array(frame[y : y + side, x : x + side]))
    picture = square.permute(2, 0, 1)[None].float() / 127.5 - 1
    if side == SIZE:
        return picture
    return F.interpolate(picture, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
