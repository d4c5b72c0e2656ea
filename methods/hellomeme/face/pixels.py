"""Warps, resizes and blurs of pixels by OpenCV, which the networks were trained behind."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.errors import WeightsError
from ....datasets.clip import Frame
from ....faces.base import Floats
from ..weights import OWNER


def opencv() -> Any:
    """The library.

    Raises:
        WeightsError: When it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise WeightsError(f"{OWNER}: its face tools need OpenCV: pip install 'portraitbench[hellomeme]'") from error
    return cv2


def warp(frame: Frame, matrix: Floats, side: int, *, cubic: bool = False) -> Frame:
    """Cut a square out of a frame, black where the frame ends.

    Args:
        frame: The frame, with any number of channels.
        matrix: Affine matrix from frame pixels to crop pixels, shape (2, 3).
        side: Side of the square crop, in pixels.
        cubic: Whether to interpolate bicubically instead of bilinearly.
    """
    cv2 = opencv()
    flags = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(frame, matrix[:2], (side, side), flags=flags), np.uint8)


def warp_to(frame: Frame, matrix: Floats, width: int, height: int) -> Frame:
    """Warp a frame by a homogeneous matrix of shape (3, 3), bilinear, black where the frame ends."""
    return np.asarray(opencv().warpPerspective(frame, matrix, dsize=(width, height)), np.uint8)


def resize(frame: Frame, side: int) -> Frame:
    """Resize to a square, bicubic, whatever the shape was."""
    cv2 = opencv()
    return np.asarray(cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def blur(frame: Frame, size: int = 5) -> Frame:
    """Blur by a Gaussian of ``size`` pixels."""
    return np.asarray(opencv().GaussianBlur(frame, (size, size), 0), np.uint8)
