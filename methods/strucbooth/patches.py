"""Decoding of regions: alone, with a halo, or as windows of whole frames (eq. 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .gradients import GradientTarget, gradient_loss
from .losses import PixelTerm
from .regions import Cells

Decode = Callable[[Tensor], Tensor]
"""From latents (N, C, h, w) to frames in [-1, 1], shape (N, 3, stride h, stride w)."""


@dataclass(frozen=True, eq=False)
class Patch:
    """One region of one frame of the output, and what it is aligned with.

    Attributes:
        region: Its name.
        cells: Where it lies on the latent grid.
        guide: The driver's gradients at the patch's size.
    """

    region: str
    cells: Cells
    guide: GradientTarget


@dataclass(frozen=True)
class PatchDecoder:
    """How patches are decoded.

    Attributes:
        decode: The generator's decoder.
        stride: Pixels per latent cell.
        halo: Cells of context decoded around a patch and cut away.
        whole: Decode whole frames and cut the patches out of them instead.
    """

    decode: Decode
    stride: int
    halo: int = 0
    whole: bool = False

    def alone(self, latents: Tensor, cells: Cells) -> Tensor:
        """Decode one patch of one frame.

        Args:
            latents: One frame, shape (1, C, h, w).
            cells: The patch.

        Returns:
            Shape (1, 3, stride * rows, stride * columns).
        """
        height, width = latents.shape[2:]
        top, left = max(0, cells.top - self.halo), max(0, cells.left - self.halo)
        bottom, right = min(height, cells.bottom + self.halo), min(width, cells.right + self.halo)
        frame = self.decode(latents[:, :, top:bottom, left:right])
        inside = Cells(cells.left - left, cells.top - top, cells.right - left, cells.bottom - top)
        return window(frame, inside, self.stride)

    def terms(self, patches: Sequence[Patch], frame: int, eps: float, weight: float) -> list[PixelTerm]:
        """Gradient losses of one frame's patches; together they are the weighted mean over the patches.

        Args:
            patches: Patches of the frame.
            frame: Row of the frame in the latents that the terms will be given.
            eps: Epsilon of :func:`gradient_loss`.
            weight: Weight of the mean over these patches.
        """
        if self.whole:
            return [PixelTerm("gradient", weight, lambda x0: self._mean(x0[frame : frame + 1], patches, eps))]

        def term(patch: Patch) -> PixelTerm:
            def loss(x0: Tensor) -> Tensor:
                return gradient_loss(self.alone(x0[frame : frame + 1], patch.cells), patch.guide, eps)

            return PixelTerm("gradient", weight / len(patches), loss)

        return [term(patch) for patch in patches]

    def _mean(self, latents: Tensor, patches: Sequence[Patch], eps: float) -> Tensor:
        frame = self.decode(latents)
        windows = [window(frame, patch.cells, self.stride) for patch in patches]
        losses = [gradient_loss(own, patch.guide, eps) for own, patch in zip(windows, patches, strict=True)]
        return torch.stack(losses).mean()


def window(frame: Tensor, cells: Cells, stride: int) -> Tensor:
    """The pixels of some cells in a decoded frame, shape (N, 3, stride * rows, stride * columns)."""
    rows = slice(cells.top * stride, cells.bottom * stride)
    return frame[:, :, rows, cells.left * stride : cells.right * stride]
