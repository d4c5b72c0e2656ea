"""Classifier-free guidance with two scales: for the appearance, and for the motion on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Branch:
    """One pass through the denoiser.

    Attributes:
        appearance: Whether it sees appearance tokens and image latents; otherwise both are zeros.
        motion: Whether it sees motion tokens; otherwise they are zeros.
        weight: Weight of the pass's prediction in the guided one; all weights add up to 1.
    """

    appearance: bool
    motion: bool
    weight: float


def branches(appearance: float, motion: float) -> list[Branch]:
    """The passes that a pair of guidance scales asks for, the one with all conditions last.

    From v = v0 + a (v1 - v0) + m (v2 - v1), with v0 without conditions, v1 with the appearance, v2 with both. A pass
    of weight 0 is left out: with equal scales, as upstream has them, v1 cancels.

    Args:
        appearance: The scale a.
        motion: The scale m.

    >>> [branch.weight for branch in branches(2.0, 2.0)]
    [-1.0, 2.0]
    """
    every = [
        Branch(appearance=False, motion=False, weight=1 - appearance),
        Branch(appearance=True, motion=False, weight=appearance - motion),
        Branch(appearance=True, motion=True, weight=motion),
    ]
    return [branch for branch in every if branch.weight != 0]


def stacked(tensor: Tensor, seen: Sequence[bool]) -> Tensor:
    """A condition (1, ...) as a batch with a row per branch, zeros where it is not seen."""
    return torch.cat([tensor if own else torch.zeros_like(tensor) for own in seen])


def combined(predictions: Tensor, passes: Sequence[Branch]) -> Tensor:
    """The guided prediction, float32, from those of all branches (B, ...)."""
    weights = torch.tensor([branch.weight for branch in passes], device=predictions.device)
    return torch.einsum("b,b...->...", weights, predictions.float())
