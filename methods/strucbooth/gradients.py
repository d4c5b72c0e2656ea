"""Facial Structural Gradients: gray, Sobel, and the cosine between gradient fields (eq. 3, 4, 6, 7, 9-11)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from .regions import Box

GRAY = (0.2989, 0.5870, 0.1140)
"""Weights of red, green and blue (eq. 9)."""

FULL_EDGE = 8.0
"""Gradient norm of a straight edge from black to white in frames in [-1, 1]: what norms are a share of."""

_SMOOTH, _DIFFERENCE = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0)


@lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor that stays on its device: sending it there with every patch would wait for the device each time."""
    with torch.inference_mode(False):  # whoever asks first may be one who trains nothing
        return torch.tensor(values, dtype=dtype, device=device)


def gray(frames: Tensor) -> Tensor:
    """Luminance of RGB frames (eq. 9): (N, 3, H, W) to (N, 1, H, W)."""
    weights = _constant(GRAY, frames.dtype, frames.device)
    return torch.einsum("nchw,c->nhw", frames, weights)[:, None]


def sobel(image: Tensor) -> Tensor:
    """Horizontal and vertical Sobel derivatives (eq. 10 and 11), without a border.

    A true convolution with the paper's kernels, which is what ``scipy.ndimage.sobel`` computes. No padding: a border
    made of zeros would be an edge.

    Args:
        image: One channel, shape (N, 1, H, W), H and W at least 3.

    Returns:
        Gx and Gy, shape (N, 2, H - 2, W - 2).
    """
    smooth = _constant(_SMOOTH, image.dtype, image.device)
    difference = _constant(_DIFFERENCE, image.dtype, image.device)
    # torch correlates, so these are the kernels turned by 180 degrees.
    kernels = torch.stack([torch.outer(smooth, difference), torch.outer(difference, smooth)])
    return F.conv2d(image, kernels[:, None])


def gray_levels(norm: float) -> float:
    """The straight edge that has this gradient norm, in gray levels of 255.

    >>> gray_levels(FULL_EDGE)
    255.0
    """
    return 255 * norm / FULL_EDGE


def structural_gradients(frames: Tensor) -> Tensor:
    """Sobel derivatives of the luminance of RGB frames (eq. 3): (N, 3, H, W) to (N, 2, H - 2, W - 2)."""
    return sobel(gray(frames))


@dataclass(frozen=True, eq=False)
class GradientTarget:
    """What one driving patch asks of the output's patch; computed once.

    Attributes:
        gradients: Gx and Gy, shape (1, 2, h, w).
        weights: How much each pixel counts, not negative, shape (1, h, w).
    """

    gradients: Tensor
    weights: Tensor

    @classmethod
    def of_patch(cls, patch: Tensor, *, flat: float, by_norm: bool) -> GradientTarget:
        """Make the guide of a driving patch.

        Args:
            patch: RGB in [-1, 1], shape (1, 3, h, w).
            flat: Pixels with a smaller gradient norm weigh nothing: they have no direction to follow.
            by_norm: Weigh the others by their norm instead of equally.
        """
        gradients = structural_gradients(patch).detach()
        norm = gradients.norm(dim=1)
        weights = torch.where(norm >= flat, norm if by_norm else torch.ones_like(norm), 0.0)
        return cls(gradients, weights)


def gradient_loss(patch: Tensor, guide: GradientTarget, eps: float) -> Tensor:
    """Mean of 1 - cosine between gradient fields (eq. 7).

    With ``eps`` the cosine is a.b / (sqrt(a.a + eps^2) sqrt(b.b + eps^2)): smooth everywhere, about zero where either
    gradient is much smaller than ``eps``.

    Args:
        patch: RGB in [-1, 1], shape (1, 3, h + 2, w + 2).
        guide: The driver's gradients, for the same size.
        eps: In units of Sobel gradients of frames in [-1, 1]; see :func:`gray_levels`.

    Returns:
        A scalar in [0, 2]; 0, with a gradient of 0, where every pixel of the driver is flat.
    """
    found = structural_gradients(patch)
    dot = (found * guide.gradients).sum(dim=1)
    norms = [(field.square().sum(dim=1) + eps**2).sqrt() for field in (found, guide.gradients)]
    distance = 1 - dot / (norms[0] * norms[1])
    return (guide.weights * distance).sum() / guide.weights.sum().clamp_min(torch.finfo(patch.dtype).tiny)


def resample(frame: Tensor, box: Box, height: int, width: int) -> Tensor:
    """Cut a box out of a frame and resize it (R in eq. 6), bilinear; averaged over smaller samples when it shrinks.

    Args:
        frame: The frame, shape (1, C, H, W).
        box: Box in pixel edges; may reach beyond the frame, whose border is then repeated.
        height: Height of the result, in pixels.
        width: Width of the result, in pixels.

    Returns:
        Shape (1, C, height, width); a box of whole pixels at its own size is copied exactly.
    """
    finer = max(1, math.ceil(box.height / height - 1e-6), math.ceil(box.width / width - 1e-6))
    rows, columns = height * finer, width * finer
    y = box.top + (torch.arange(rows, dtype=torch.float64) + 0.5) * box.height / rows
    x = box.left + (torch.arange(columns, dtype=torch.float64) + 0.5) * box.width / columns
    # grid_sample without aligned corners measures edges from -1 to 1.
    y, x = 2 * y / frame.shape[2] - 1, 2 * x / frame.shape[3] - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[None].to(frame)
    fine = F.grid_sample(frame, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(fine, finer) if finer > 1 else fine
