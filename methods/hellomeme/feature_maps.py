"""Feature maps at the blocks of a UNet: of the reference image, of the control network, of neighbouring frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Maps:
    """One map per block.

    Attributes:
        down: After each down block, finest first; shape (B, C, h, w), or (B, F, C, h, w) with a map per frame.
        up: Before each up block, coarsest first, likewise.
    """

    down: tuple[Tensor, ...]
    up: tuple[Tensor, ...]

    def apply(self, change: Callable[[Tensor], Tensor]) -> Maps:
        """Change each map in the same way."""
        return Maps(tuple(map(change, self.down)), tuple(map(change, self.up)))


def joined(several: Sequence[Maps], axis: int) -> Maps:
    """Join maps: along axis 0 as a batch, along axis 1 as frames."""

    def join(groups: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        return tuple(torch.cat(group, dim=axis) for group in zip(*groups, strict=True))

    return Maps(join([maps.down for maps in several]), join([maps.up for maps in several]))
