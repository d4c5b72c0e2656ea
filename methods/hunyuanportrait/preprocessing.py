"""From a case to what HunyuanPortrait's encoders read: faces found, pictures cut out, motion measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...core.errors import NoFaceError
from ...datasets.clip import Clip, Frame
from ...faces.alignment import arcface_matrix, warp_face
from ...faces.base import Floats
from .crops import WholeBox, crop_expression, crop_portrait, portrait_box, resize_square
from .face_boxes import FaceSource
from .intensity import Intensity, intensities

CANVAS = 512
"""Side of the generator's frame in pixels; random-tiny works on a smaller one."""
MOTION_SIDE = 256
"""Side of what the expression and head pose encoders read."""
APPEARANCE_SIDE = 224
"""Side of what DINOv2 reads."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, which DINOv2 wants taken off its input."""
_NAMED_FRAMES = 5
"""Frames without a face that a message names."""


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """One case, cut out and measured. T driving frames, S the canvas' side in pixels. Pictures are uint8 RGB.

    Attributes:
        portrait: The identity's face on the canvas, shape (S, S, 3).
        box: Where that lies in the identity image.
        identity: ArcFace's crop of it in [0, 1], without a mean taken off, shape (1, 3, 112, 112).
        expressions: Faces for the expression encoder, shape (T, 256, 256, 3).
        poses: The canvas for the head pose encoder, shape (T, 256, 256, 3).
        intensities: Intensity buckets of each chunk of 25 frames.
        canvas: The driving clip in one window, the first frame's.
    """

    portrait: Frame
    box: WholeBox
    identity: Tensor
    expressions: NDArray[np.uint8]
    poses: NDArray[np.uint8]
    intensities: list[Intensity]
    canvas: Clip


def preprocess(identity: Clip, driving: Clip, faces: FaceSource, side: int = CANVAS) -> Preprocessed:
    """Cut a case out.

    Args:
        identity: One frame.
        driving: At least one frame.
        faces: Finds them.
        side: Side of the canvas, in pixels.

    Raises:
        NoFaceError: When the identity image, its crop or a driving frame shows no face. (Upstream fails there too:
            each driving frame's expression is read from its own landmarks.)
    """
    image = identity.frames[0]
    box = portrait_box(_only_box(faces, identity, "the identity image"), *image.shape[:2])
    portrait = crop_portrait(image, box, side)
    own = faces.observe(Clip(portrait[None]))
    if not own.found[0]:
        raise NoFaceError("the identity image shows no face any more where it was cut out around one")
    followed = faces.observe(driving)
    if not followed.found.all():
        missing = np.flatnonzero(~followed.found)
        which = ", ".join(map(str, missing[:_NAMED_FRAMES])) + (", ..." if len(missing) > _NAMED_FRAMES else "")
        raise NoFaceError(f"{len(missing)} of {len(driving)} driving frames show no face (from 0: {which})")
    first = followed.boxes[0]
    window = portrait_box(first, driving.height, driving.width)
    canvas = np.stack([crop_portrait(frame, window, side) for frame in driving])
    pairs = zip(driving, followed.points, strict=True)
    return Preprocessed(
        portrait=portrait,
        box=box,
        identity=identity_crop(portrait, own.points[0]),
        expressions=np.stack([crop_expression(frame, points, first, MOTION_SIDE) for frame, points in pairs]),
        poses=np.stack([resize_square(frame, MOTION_SIDE) for frame in canvas]),
        intensities=intensities(followed.points),
        canvas=Clip(canvas, driving.fps),
    )


def identity_crop(portrait: Frame, points: Floats) -> Tensor:
    """The face as ArcFace reads it here: aligned, in [0, 1], no mean taken off; shape (1, 3, 112, 112).

    Raises:
        NoFaceError: When the five points all lie on one spot.
    """
    try:
        crop = warp_face(portrait, arcface_matrix(points))
    except ValueError as error:
        raise NoFaceError(f"the identity's face cannot be aligned: {error}") from error
    return torch.from_numpy(crop / 255).permute(2, 0, 1)[None].float()


def appearance_picture(portrait: Frame) -> Tensor:
    """The portrait as DINOv2 reads it, shape (1, 3, 224, 224)."""
    size = (APPEARANCE_SIDE, APPEARANCE_SIDE)
    small = F.interpolate(unit(portrait[None]), size, mode="bilinear", antialias=True, align_corners=False)
    return (small - _column(_MEAN)) / _column(_DEVIATION)


def unit(frames: NDArray[np.uint8]) -> Tensor:
    """Pixels in [0, 1], float32, channels first, shape (T, 3, H, W)."""
    return torch.tensor(frames).permute(0, 3, 1, 2).float() / 255


def _only_box(faces: FaceSource, clip: Clip, what: str) -> Floats:
    seen = faces.observe(Clip(clip.frames[:1]))
    if not seen.found[0]:
        raise NoFaceError(f"{what} shows no face")
    box: Floats = seen.boxes[0]
    return box


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)[None, :, None, None]
