"""Decoding of regions: alone, with a halo, or as windows of whole frames (eq. 5)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .gradients import GradientTarget, gradient_loss
from .losses import PixelTerm
from .regions import Cells

Decode = Callable[..., Tensor]
"""From latents (N, C, h, w) to frames in [-1, 1], shape (N, 3, stride h, stride w); the length of runs is given second
where it is more than one, see :meth:`DiffusionGenerator.decode`."""


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


@dataclass(frozen=True, eq=False)
class Site:
    """A patch in the latents of a step.

    Attributes:
        row: Row of the patch's frame in the latents.
        patch: The patch.
        weight: Weight of the patch's loss.
    """

    row: int
    patch: Patch
    weight: float


@dataclass(frozen=True)
class PatchDecoder:
    """How patches are decoded.

    Attributes:
        decode: The generator's decoder.
        stride: Pixels per latent cell.
        halo: Cells of context decoded around a patch and cut away.
        whole: Decode whole frames and cut the patches out of them instead.
        neighbours: Frames on each side decoded with a patch, at its place, and thrown away.
        batch: Most patches of one shape that are decoded together.
    """

    decode: Decode
    stride: int
    halo: int = 0
    whole: bool = False
    neighbours: int = 0
    batch: int = 1

    def alone(self, latents: Tensor, cells: Cells, row: int = 0) -> Tensor:
        """Decode one patch of one frame.

        Args:
            latents: Neighbouring frames, shape (T, C, h, w).
            cells: The patch.
            row: The frame.

        Returns:
            Shape (1, 3, stride * rows, stride * columns).
        """
        return self._together(latents, [(row, cells)])[0]

    def terms(self, sites: Sequence[Site], eps: float) -> list[PixelTerm]:
        """Gradient losses of patches; they add up to the weighted sum over all sites.

        Args:
            sites: Patches in the latents that the terms will be given.
            eps: Gradient norm below which little counts; see :func:`gradient_loss`.
        """
        if self.batch == 1 and not self.whole:  # one by one in the order given: sums keep their last digits
            return [self._term([site], eps) for site in sites]
        groups: dict[Hashable, list[Site]] = {}
        for site in sites:
            cells = site.patch.cells
            shape = (cells.bottom - cells.top, cells.right - cells.left)
            groups.setdefault(site.row if self.whole else shape, []).append(site)
        at_once = len(sites) if self.whole else self.batch
        chunks = [own[start : start + at_once] for own in groups.values() for start in range(0, len(own), at_once)]
        return [self._term(chunk, eps) for chunk in chunks]

    def _term(self, sites: Sequence[Site], eps: float) -> PixelTerm:
        """The loss of sites that are decoded together."""

        def loss(x0: Tensor) -> Tensor:
            if self.whole:
                frame = self._run(x0, sites[0].row, Cells(0, 0, x0.shape[3], x0.shape[2]))
                images = [window(frame, site.patch.cells, self.stride) for site in sites]
            else:
                images = self._together(x0, [(site.row, site.patch.cells) for site in sites])
            weights = [site.weight for site in sites]
            losses = [gradient_loss(own, site.patch.guide, eps) for own, site in zip(images, sites, strict=True)]
            return torch.stack([weight * own for weight, own in zip(weights, losses, strict=True)]).sum()

        return PixelTerm("gradient", 1.0, loss)

    def _together(self, latents: Tensor, sites: Sequence[tuple[int, Cells]]) -> list[Tensor]:
        """Decode patches of one shape in as few calls as the frame's border allows."""
        height, width = latents.shape[2:]
        outer = [_grown(cells, self.halo, height, width) for _, cells in sites]
        shapes = [(own.bottom - own.top, own.right - own.left) for own in outer]
        found: dict[int, Tensor] = {}
        for shape in dict.fromkeys(shapes):  # at a border the halo is cut, and the shape another
            rows = [row for row, own in enumerate(shapes) if own == shape]
            frames = self._runs(latents, [(sites[row][0], outer[row]) for row in rows])
            for place, row in enumerate(rows):
                cells, around = sites[row][1], outer[row]
                inside = Cells(
                    cells.left - around.left,
                    cells.top - around.top,
                    cells.right - around.left,
                    cells.bottom - around.top,
                )
                found[row] = window(frames[place : place + 1], inside, self.stride)
        return [found[row] for row in range(len(sites))]

    def _runs(self, latents: Tensor, sites: Sequence[tuple[int, Cells]]) -> Tensor:
        """Decode windows of one shape with their neighbours in time; a frame for each, shape (N, 3, H, W)."""
        run = min(2 * self.neighbours + 1, len(latents))
        # At the ends of the clip the neighbours all lie on one side.
        firsts = [min(max(row - self.neighbours, 0), len(latents) - run) for row, _ in sites]
        cut = [
            latents[first : first + run, :, own.top : own.bottom, own.left : own.right]
            for first, (_, own) in zip(firsts, sites, strict=True)
        ]
        together = torch.cat(cut)
        if run == 1:
            return self.decode(together)
        frames = self.decode(together, run)
        places = zip(firsts, sites, strict=True)
        return frames[[place * run + row - first for place, (first, (row, _)) in enumerate(places)]]

    def _run(self, latents: Tensor, row: int, cells: Cells) -> Tensor:
        return self._runs(latents, [(row, cells)])


def _grown(cells: Cells, halo: int, height: int, width: int) -> Cells:
    """A patch with its halo, as far as the frame reaches."""
    left, top = max(0, cells.left - halo), max(0, cells.top - halo)
    return Cells(left, top, min(width, cells.right + halo), min(height, cells.bottom + halo))


def window(frame: Tensor, cells: Cells, stride: int) -> Tensor:
    """The pixels of some cells in a decoded frame, shape (N, 3, stride * rows, stride * columns)."""
    rows = slice(cells.top * stride, cells.bottom * stride)
    return frame[:, :, rows, cells.left * stride : cells.right * stride]
