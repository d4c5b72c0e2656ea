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
from .face.points import Points
from .face.pose import heat_map
from .face.tracking import Detector, Followed, Reader, follow_largest
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
    """A clip on the canvas, and what was read of the F frames that show a face.

    Attributes:
        frames: All of them, shape (T, S, S, 3).
        followed: Where the face is; its points are in pixels of the clip, not of the canvas.
        faces: The F frames.
        points: Shape (F, 222, 2).
        heads: F of them.
    """

    frames: NDArray[np.uint8]
    followed: Followed
    faces: NDArray[np.uint8]
    points: Floats
    heads: list[Head]


class OnnxTools:
    """Reads faces as HelloMeme v3 does.

    Args:
        settings: What to do.
        models: With what.
    """

    def __init__(self, settings: FaceSettings, models: Models) -> None:
        self._settings = settings
        self._models = models
        # A suite shows each clip in many cases; where its face is depends on nothing else, and takes the longest.
        self._known: dict[tuple[str, ...], Followed] = {}

    def prepare(self, identity: Clip, driving: Clip) -> HelloMemeInputs:
        """See :meth:`.inputs.FaceTools.prepare`.

        Raises:
            NoFaceError: When the identity image, or every driving frame, shows no face.
        """
        own = self._settings
        reference = self._cropped(Clip(identity.frames[:1]), "the identity image", crop=own.crop_reference)
        cropped = self._cropped(driving, "the driving clip", crop=True)
        heads = [cropped.heads[row] for row in cropped.followed.rows]
        return HelloMemeInputs(
            reference=signed(reference.frames),
            condition=signed(self._heat_maps(heads, reference.heads[0])),
            rotation=np.stack([head.angles for head in heads]).astype(np.float64),
            translation=np.stack([head.translation for head in heads]).astype(np.float64),
            canvas=Clip(cropped.frames, driving.fps),
            held=cropped.followed.held,
            **self._expression(cropped),
        )

    def _cropped(self, clip: Clip, what: str, *, crop: bool) -> Cropped:
        key = clip.frame_digests
        if key not in self._known:
            self._known[key] = follow_largest(list(clip), self._models.detect, self._models.reader, what)
        followed = self._known[key]
        frames, points = on_canvas(clip.frames, followed.points, self._settings.side, crop=crop)
        faces = frames[list(followed.found)]
        heads = [self._models.head(frame, one) for frame, one in zip(faces, points, strict=True)]
        return Cropped(frames, followed, faces, points, heads)

    def _heat_maps(self, heads: list[Head], reference: Head) -> NDArray[np.uint8]:
        own, first = self._settings, heads[0].translation
        ways = [own.translation_ratio * (head.translation - first) for head in heads]
        places = [reference.translation + way for way in ways]
        return np.stack([heat_map(head.angles, place, own.side) for head, place in zip(heads, places, strict=True)])

    def _expression(self, cropped: Cropped) -> dict[str, Tensor]:
        """The inputs that one of the two kinds of control asks for, a row for each frame."""
        faces, points, rows = cropped.faces, cropped.points, cropped.followed.rows
        if self._settings.control is Control.CNTRL2:
            return {"expression_faces": signed(expression_faces(faces, points)[rows])}
        read = self._models.expression
        if read is None:
            raise RuntimeError("no model was loaded for the coefficients of cntrl1")
        coefficients = np.stack([read(frame, one) for frame, one in zip(faces, points, strict=True)])
        return {
            "coefficients": torch.from_numpy(coefficients).float()[rows],
            "face_parts": face_parts(faces, points)[rows],
        }


def load_tools(settings: FaceSettings, weights: Path | None, device: str) -> OnnxTools:
    """The face tools on the published files.

    Args:
        settings: Settings of the preparation.
        weights: Folder of hub repositories; None looks into the Hugging Face cache.
        device: Device of the onnxruntime sessions.

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


def on_canvas(frames: NDArray[np.uint8], points: Points, side: int, *, crop: bool) -> tuple[NDArray[np.uint8], Floats]:
    """Put a clip onto the canvas, in one window around its face or as a whole, and its points with it.

    Args:
        frames: Frames of the clip, shape (T, H, W, 3).
        points: Landmarks of the frames, shape (T, 222, 2).
        side: Side of the square canvas, in pixels.
        crop: Whether to cut the window out; otherwise frames are resized whole, whatever their shape.
    """
    height, width = frames.shape[1:3]
    left, top, right, bottom = clip_window(points, width, height) if crop else (0, 0, width, height)
    resized = [resize(frame[top:bottom, left:right], side) for frame in frames]
    scale = side / np.array([right - left, bottom - top])
    # float64 from here on, as upstream
    return np.stack(resized), (points.astype(np.float64) - [left, top]) * scale


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
    return torch.from_numpy(frames.transpose(0, 3, 1, 2) / 255.0 * 2 - 1).float().contiguous()
