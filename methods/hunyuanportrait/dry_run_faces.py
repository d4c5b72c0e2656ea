"""The face detector of ``weights=random-tiny``: it stands in for the published file, behind the real decoding.

It knows no face: it sees one in the middle of every picture, and its landmarks move with the picture's brightness.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...faces.backends.yoloface import COLUMNS, YoloFace
from ...faces.base import Grade

_POINTS = ((0.36, 0.42), (0.64, 0.42), (0.5, 0.56), (0.39, 0.7), (0.61, 0.7))
"""Eyes, nose tip and mouth corners in the face's box."""
_SIZE = 0.4
"""Of the box, in picture sides."""
_REACH = 0.05
"""How far brightness moves a point, in box sizes."""


def stand_in_detector() -> YoloFace:
    """The detector without a file."""
    return YoloFace(find_face, grade=Grade.RANDOM)


def find_face(image: Tensor, grids: list[Tensor]) -> Tensor:  # noqa: ARG001 - a real network needs them
    """One candidate, in the middle of a picture of shape (1, 3, H, W) in [0, 1]."""
    height, width = image.shape[2:]
    centre, size = image.new_tensor([width / 2, height / 2]), image.new_tensor([width * _SIZE, height * _SIZE])
    # Brightness of five strips, so that each point moves on its own.
    strips = torch.stack([strip.mean() for strip in image.tensor_split(len(_POINTS), dim=3)])[:, None]
    points = centre + (image.new_tensor(_POINTS) - 0.5 + _REACH * (strips - 0.5)) * size
    sure = image.new_ones(1)
    candidate = torch.cat([centre, size, sure, points.flatten(), sure])
    return candidate.reshape(1, 1, COLUMNS)
