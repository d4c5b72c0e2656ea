"""A training loss in pixels for what a squared error in latents leaves blurred: eyes and mouth."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..autoencoder import PocketAutoencoder
from .train_autoencoder import sobel

EYES, MOUTH = slice(36, 48), slice(48, 68)
MARGIN = 6
"""Pixels that a box is larger than its landmarks' on each side."""
EDGES = 2.0
"""Weight of the difference of Sobel responses against that of colours."""


def face_boxes(landmarks: Tensor, size: int) -> Tensor:
    """One inside the box of the eyes or that of the mouth, 0 elsewhere, shape (N, 1, size, size).

    Args:
        landmarks: Pixels, shape (N, 68, 2).
        size: Side of the pictures.
    """
    cells = torch.arange(size, device=landmarks.device)
    inside = torch.zeros(len(landmarks), size, size, dtype=torch.bool, device=landmarks.device)
    for part in (EYES, MOUTH):
        low, high = landmarks[:, part].amin(dim=1) - MARGIN, landmarks[:, part].amax(dim=1) + MARGIN
        within = (cells >= low[..., None]) & (cells <= high[..., None])
        inside |= within[:, 1, :, None] & within[:, 0, None, :]
    return inside[:, None].float()


def detail_loss(decoder: PocketAutoencoder, clean: Tensor, target: Tensor, landmarks: Tensor) -> Tensor:
    """L1 of colours and of Sobel responses of the decoded pictures in the boxes of eyes and mouth.

    The median that L1 asks for is sharper than the mean of a squared error where a cell has few likely values, and
    Sobel responses count an edge that is missing as much as one that is wrong.

    Args:
        decoder: Frozen; gradients pass through it.
        clean: Estimated clean latents, shape (N, 8, h, w).
        target: True ones, same shape.
        landmarks: Landmarks of the target picture, in its pixels, shape (N, 68, 2).

    Returns:
        One value per picture, shape (N,); colours are in [-1, 1].
    """
    made = decoder.decode(clean).float()
    with torch.no_grad():
        true = decoder.decode(target).float()
    boxes = face_boxes(landmarks, true.shape[-1])
    colours = (boxes * (made - true).abs()).mean(dim=(1, 2, 3))
    # Sobel has no response on the outermost pixels.
    edges = (boxes[..., 1:-1, 1:-1] * (sobel(made) - sobel(true)).abs()).mean(dim=(1, 2, 3))
    share = F.adaptive_avg_pool2d(boxes, 1).flatten().clamp(min=1e-3)
    return (colours + EDGES * edges) / share
