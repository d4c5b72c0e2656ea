"""Where HunyuanPortrait cuts its pictures out of a frame, and how it resizes them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...core.errors import NoFaceError
from ...datasets.clip import Frame
from ...faces.base import Floats
from ...faces.pixels import resize_bilinear

GROWTH = 1.0
"""How far the portrait's box reaches beyond the face on each side, in face widths and heights."""
BOX_SHARE = 0.45
"""How far the expression crop moves from the landmarks' extent towards the first frame's face box."""

WholeBox = tuple[int, int, int, int]
"""x0, y0, x1, y1 in whole pixels; the end is exclusive."""


def portrait_box(face: Floats, height: int, width: int) -> WholeBox:
    """The square around a face that becomes the generator's frame.

    The face's box, grown, is cut off at the frame; of the rest the shorter side makes the square, which slides along
    the longer one as near to the face's centre as it can.

    Args:
        face: Box x0, y0, x1, y1 in pixels.
        height: Height of the frame, in pixels.
        width: Width of the frame, in pixels.

    Raises:
        NoFaceError: When less than a pixel of the face lies in the frame.
    """
    size, frame = face[2:] - face[:2], np.array([width, height])
    low = np.maximum(face[:2] - GROWTH * size, 0)
    high = np.minimum(face[2:] + GROWTH * size, frame)
    half = (high - low).min() / 2
    middle = (low + high) / 2
    # Along the shorter side there is no room, and the centre stays in the middle.
    centre = np.clip((face[:2] + face[2:]) / 2, low + half, high - half)
    centre = np.where(high - low > 2 * half, centre, middle)
    x0, y0, x1, y1 = (round(float(edge)) for edge in (*(centre - half), *(centre + half)))
    if min(x1 - x0, y1 - y0) < 1:
        raise NoFaceError(f"the face found at {np.round(face, 1).tolist()} has no pixel in the frame")
    return x0, y0, x1, y1


def crop_portrait(frame: Frame, box: WholeBox, side: int) -> Frame:
    """Cut a square out of a frame and resize it, bicubic, smoothed where it shrinks; shape (side, side, 3)."""
    return _resized(Image.fromarray(frame).crop(box), side, Image.Resampling.BICUBIC)


def crop_expression(frame: Frame, points: Floats, face: Floats, side: int) -> Frame:
    """Cut out what the expression encoder reads: a square around the landmarks, black where the frame ends.

    Args:
        frame: The whole frame.
        points: Five landmarks in it, shape (5, 2).
        face: Face box of the clip's first frame.
        side: Side of the square result, in pixels.

    Raises:
        NoFaceError: When the square is smaller than a pixel.
    """
    low = points.min(axis=0) + BOX_SHARE * (face[:2] - points.min(axis=0))
    high = points.max(axis=0) + BOX_SHARE * (face[2:] - points.max(axis=0))
    x, y = (int(own) for own in (low + high) / 2)
    half = int((high - low).max()) // 2
    if half < 1:
        raise NoFaceError(f"the landmarks {np.round(points, 1).tolist()} span no face")
    # Pillow fills what lies beyond the picture with black.
    square = Image.fromarray(frame).crop((x - half, y - half, x + half, y + half))
    return _resized(square, side, Image.Resampling.BILINEAR)


def resize_square(frame: Frame, side: int) -> Frame:
    """Resize a square, bilinear, smoothed where it shrinks; shape (side, side, 3)."""
    return _resized(Image.fromarray(frame), side, Image.Resampling.BILINEAR)


def paste_back(frame: Frame, portrait: Frame, box: WholeBox) -> Frame:
    """Blend a generated portrait into the picture that its square was cut out of.

    Its weight rises from 0 at each border to 1 over a tenth of the square's side.

    Args:
        frame: The picture, shape (H, W, 3).
        portrait: Shape (side, side, 3).
        box: The square.
    """
    x0, y0, x1, y1 = box
    rows, columns = _ramp(y1 - y0), _ramp(x1 - x0)
    weight = (rows[:, None] * columns)[..., None]
    small = resize_bilinear(portrait, y1 - y0, x1 - x0).permute(1, 2, 0).numpy()
    pasted = frame.copy()
    pasted[y0:y1, x0:x1] = (weight * small + (1 - weight) * frame[y0:y1, x0:x1]).astype(np.uint8)
    return pasted


def _ramp(side: int) -> Floats:
    """Weights along one side: 0 to 1, 1, and back to 0."""
    rise = int(side * 0.1)
    weights = np.ones(side)
    if rise:
        weights[:rise] = np.linspace(0, 1, rise)
        weights[-rise:] = np.linspace(1, 0, rise)
    return weights


def _resized(picture: Image.Image, side: int, how: Image.Resampling) -> Frame:
    return np.asarray(picture.resize((side, side), how), np.uint8)
