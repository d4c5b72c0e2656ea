"""Activations that are computed again for the gradients instead of being kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.checkpoint import checkpoint


def recompute(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a module or function whose activations are dropped.

    It must draw nothing at random, as layers at work do not: the state of the random numbers is not kept for the second
    time, since reading that of a graphics card waits for the card.
    """
    return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)
