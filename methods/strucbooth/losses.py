"""The loss terms besides the gradients, and how a step's terms meet (eq. 2 and 8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


def ldm_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean square of the prediction's error (eq. 2); the target is the parameterization's own."""
    return F.mse_loss(prediction, target)


def identity_loss(embedding: Tensor, reference: Tensor) -> Tensor:
    """Mean of 1 - cosine between embeddings, each of shape (N, D); the paper does not state its form."""
    return (1 - F.cosine_similarity(embedding, reference, dim=-1)).mean()


@dataclass(frozen=True)
class PixelTerm:
    """A loss that has to look at decoded pixels.

    Attributes:
        name: What it is recorded as; terms of one name add up.
        weight: What its value is multiplied with.
        loss: From clean latents (T, C, h, w) to a scalar; decodes what it needs of them.
    """

    name: str
    weight: float
    loss: Callable[[Tensor], Tensor]


def pull_back(x0: Tensor, terms: Sequence[PixelTerm]) -> tuple[dict[str, Tensor], Tensor]:
    """Sum of weighted terms and its gradient with respect to ``x0``, one decoding in memory at a time.

    Each term works on a leaf copy of ``x0``, and its decoder activations are freed before the next term begins. The
    gradient is exact: going on with it from ``x0`` through the denoiser gives what one backward pass would give.

    Args:
        x0: Clean latents, shape (T, C, h, w).
        terms: At least the ones of one step.

    Returns:
        The terms' sums by name, scalars that stay on the device (reading each would wait for it), and the gradient,
        shape of ``x0``.
    """
    values: dict[str, Tensor] = {}
    gradient = torch.zeros_like(x0)
    for term in terms:
        leaf = x0.detach().requires_grad_()
        with torch.enable_grad():
            loss = term.weight * term.loss(leaf)
        gradient += torch.autograd.grad(loss, leaf)[0]
        values[term.name] = values.get(term.name, 0) + loss.detach()
    return values, gradient
