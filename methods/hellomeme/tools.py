"""HelloMeme's face tools on the published models: from a case to what its networks read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.clip import Clip, Frame
from ...faces.base import Floats
from .face.detector import FaceDetector
from .face.heads import ExpressionReader, Head, HeadReader
from .face.landmarks import LandmarkReader
from .face.networks import OnnxNetwork
from .face.pixels import blur, resize, warp
from .face.pose import heat_map, placed_translation
from .face.tracking import Detector, Reader, follow_largest
from .face.windows import PART_SIDE, clip_window, part_matrices, pdfgc_matrix
from .inputs import COEFFICIENTS, FACE, Control, FaceSettings, HelloMemeInputs
from .inspection import require
from .weights import BLENDSHAPES, DETECTOR, FACES, HEAD, LANDMARKS, part_named

CLIP_MEAN: Floats = np.array([0.48145466, 0.4578275, 0.40821073])
CLIP_DEVIATION: Floats = np.array([0.26862954, 0.26130258, 0.27577711])
"""What CLIP's image encoder wants taken off its input."""


@dataclass(frozen=True, eq=False)
class Models:
    """The face models.

    Attributes:
        detect: Finds faces.
        reader: Places 222 points.
        head: Reads turn and place.
        expression: Reads coefficients; None where CNTRL2 is used.
    """

    detect: Detector
    reader: Reader
    head: HeadReader
    expression: ExpressionReader | None = None


@dataclass(frozen=True, eq=False)
class Cropped:
    """A clip in its window, on the canvas.

    Attributes:
        frames: Shape (T, S, S, 3).
        points: Shape (T, 222, 2).
        heads: T of them.
        held: Frames that showed no face.
    """

    frames: NDArray[np.uint8]
    points: Floats
    heads: list[Head]
    held: tuple[int, ...]


class OnnxTools:
    """Reads faces as HelloMeme v3 does.

    Args:
        settings: What to do.
        models: With what.
    """

    def __init__(self, settings: FaceSettings, models: Models) -> None:
        self._settings = settings
        self._models = models

    def prepare(self, identity: Clip, driving: Clip) -> HelloMemeInputs:
        """See :meth:`.inputs.FaceTools.prepare`.

        Raises:
            NoFaceError: When the identity image, or every driving frame, shows no face.
        """
        own = self._settings
        reference = self._cropped(Clip(identity.frames[:1]), "the identity image", crop=own.crop_reference)
        cropped = self._cropped(driving, "the driving clip", crop=True)
        first, place = cropped.heads[0].translation, reference.heads[0].translation
        maps = [
            heat_map(head.angles, placed_translation(head.translation, first, place, own.translation_ratio), own.side)
            for head in cropped.heads
        ]
        is_code = own.control is Control.CNTRL2
        return HelloMemeInputs(
            reference=signed(reference.frames),
            condition=signed(np.stack(maps)),
            rotation=np.stack([head.angles for head in cropped.heads]),
            translation=np.stack([head.translation for head in cropped.heads]),
            canvas=Clip(cropped.frames, driving.fps),
            held=cropped.held,
            expression_faces=signed(expression_faces(cropped.frames, cropped.points)) if is_code else None,
            coefficients=None if is_code else self._coefficients(cropped),
            face_parts=None if is_code else face_parts(cropped.frames, cropped.points),
        )

    def _cropped(self, clip: Clip, what: str, *, crop: bool) -> Cropped:
        points, held = follow_largest(clip.frames, self._models.detect, self._models.reader, what)
        # A frame without a face takes the picture along with the points: its face cannot be read.
        rows = np.arange(len(clip))
        for row in held:
            earlier = [other for other in range(row) if other not in held]
            rows[row] = earlier[-1] if earlier else min(set(range(len(clip))) - set(held))
        frames, points = on_canvas(clip.frames[rows], points, self._settings.side, crop=crop)
        heads = [self._models.head(frame, one) for frame, one in zip(frames, points, strict=True)]
        return Cropped(frames, points, heads, held)

    def _coefficients(self, cropped: Cropped) -> Tensor:
        reader = self._models.expression
        if reader is None:
            raise RuntimeError("no model was loaded for the coefficients of cntrl1")
        rows = [reader(frame, one) for frame, one in zip(cropped.frames, cropped.points, strict=True)]
        return torch.from_numpy(np.stack(rows)).float()


def load_tools(settings: FaceSettings, weights: Path | None, device: str) -> OnnxTools:
    """The face tools on the published files.

    Args:
        settings: What to do.
        weights: Folder of hub repositories; None looks into the Hugging Face cache.
        device: Of onnxruntime.

    Raises:
        ConfigError: When onnxruntime cannot use the device.
        WeightsError: When a library or a file is missing or damaged.
    """

    def network(file: str) -> OnnxNetwork:
        (path,) = require(part_named(f"{FACES}/{file}"), weights)
        return OnnxNetwork(path, device)

    expression = None
    if settings.control is Control.CNTRL1:
        expression = ExpressionReader(network(BLENDSHAPES), COEFFICIENTS)
    detect, reader = FaceDetector(network(DETECTOR)), LandmarkReader(network(LANDMARKS))
    return OnnxTools(settings, Models(detect, reader, HeadReader(network(HEAD)), expression))


def on_canvas(frames: NDArray[np.uint8], points: Floats, side: int, *, crop: bool) -> tuple[NDArray[np.uint8], Floats]:
    """Put a clip onto the canvas, in one window around its face or as a whole, and its points with it.

    Args:
        frames: Shape (T, H, W, 3).
        points: Shape (T, 222, 2).
        side: Of the canvas.
        crop: Whether to cut the window out; otherwise frames are resized whole, whatever their shape.
    """
    height, width = frames.shape[1:3]
    left, top, right, bottom = clip_window(points, width, height) if crop else (0, 0, width, height)
    resized = [resize(frame[top:bottom, left:right], side) for frame in frames]
    scale = side / np.array([right - left, bottom - top])
    return np.stack(resized), (points - [left, top]) * scale


def expression_faces(frames: NDArray[np.uint8], points: Floats) -> NDArray[np.uint8]:
    """Faces as PD-FGC's encoder wants them, shape (T, 224, 224, 3)."""
    pairs = zip(frames, points, strict=True)
    return np.stack([warp(frame, pdfgc_matrix(one, FACE), FACE, cubic=True) for frame, one in pairs])


def face_parts(frames: NDArray[np.uint8], points: Floats) -> Tensor:
    """Brows with eyes and the mouth as CLIP's image encoder wants them, shape (T, 3, 3, 224, 224)."""
    side = frames.shape[1]
    poses, crops = part_matrices(points, side)

    def part(frame: Frame, crop: Floats) -> Floats:
        small = resize(blur(warp(frame, crop, PART_SIDE)), FACE)
        normal: Floats = ((small / 255 - CLIP_MEAN) / CLIP_DEVIATION).transpose(2, 0, 1)
        return normal

    placed = [warp(frame, pose, side) for frame, pose in zip(frames, poses, strict=True)]
    return torch.from_numpy(np.array([[part(frame, crop) for crop in crops] for frame in placed])).float()


def signed(frames: NDArray[np.uint8]) -> Tensor:
    """Pixels in [-1, 1], channels first, shape (T, 3, H, W)."""
    return torch.from_numpy(frames.transpose(0, 3, 1, 2) / 255.0 * 2 - 1).float()
