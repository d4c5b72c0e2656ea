"""A drawing of landmarks that the denoiser sees: where jaw, brows, nose, lids and lips are to be.

The warp brings most of a picture there, and the code says what it looks like; neither says exactly where a lip has to
end. Told the coarse code alone, the denoiser put the landmarks three pixels (of 512) beside the goal.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .motion import SIZE

PARTS: tuple[tuple[tuple[int, int, bool], ...], ...] = (
    ((0, 17, False),),
    ((17, 22, False), (22, 27, False), (27, 31, False), (31, 36, False)),
    ((36, 42, True), (42, 48, True)),
    ((48, 60, True),),
    ((60, 68, True),),
)
"""Jaw; brows and nose; lids; outer lips; inner lips: iBUG points from, to (without), and whether the line closes."""
FINE = 2
"""The drawing has so many pixels a side for each latent cell, as channels of that cell."""
SKETCH = len(PARTS) * FINE**2
"""Channels of a drawing."""
WIDTH = 1.5
"""Of a line: deviation of the Gaussian across it, in pixels of a frame of 128."""


def draw_sketch(landmarks: Tensor, cells: tuple[int, int]) -> Tensor:
    """Draw lines through landmarks.

    Args:
        landmarks: In pixels of a frame of 128, pixel centres at integers, shape (N, 68, 2).
        cells: Height and width of the latents that the drawing goes with; they show the whole frame.

    Returns:
        From 0 to 1, on a line, shape (N, SKETCH, height, width).
    """
    height, width = (FINE * side for side in cells)
    down, across = ((torch.arange(side, device=landmarks.device) + 0.5) * SIZE / side - 0.5 for side in (height, width))
    places = torch.cartesian_prod(down, across).flip(1).to(landmarks)
    planes = []
    for part in PARTS:
        start, end = (
            torch.cat(points, dim=1) for points in zip(*(_line(landmarks, *own) for own in part), strict=True)
        )
        nearest = _squared_distance(places, start, end).amin(dim=2)
        planes.append((-nearest / (2 * WIDTH**2)).exp().reshape(-1, 1, height, width))
    sketch: Tensor = F.pixel_unshuffle(torch.cat(planes, dim=1), FINE)
    return sketch


def _line(landmarks: Tensor, first: int, end: int, closed: bool) -> tuple[Tensor, Tensor]:
    """Where the pieces of one line start and end, each (N, K, 2)."""
    points = landmarks[:, first:end]
    return (points, points.roll(-1, dims=1)) if closed else (points[:, :-1], points[:, 1:])


def _squared_distance(places: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Of places (M, 2) from pieces of lines (N, K, 2), shape (N, M, K)."""
    along = end - start
    length = along.square().sum(dim=2).clamp(min=1e-6)
    # |p - s|² and (p - s)·a, multiplied out: no (N, M, K, 2) is formed.
    dot = places @ along.transpose(1, 2) - (start * along).sum(dim=2)[:, None]
    away = places.square().sum(dim=1)[:, None] - 2 * places @ start.transpose(1, 2) + start.square().sum(dim=2)[:, None]
    share = (dot / length[:, None]).clamp(0, 1)
    distance: Tensor = away - 2 * share * dot + share.square() * length[:, None]
    return distance
