"""Sampling of clips of any length: circular windows of 25 frames that overlap, and move with every step.

Written for any callable that predicts v for the frames of a window, so that it can be tested without a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import StepCallback
from ..diffusion import GaussianPath

Predict = Callable[[Tensor, Tensor, Sequence[int]], Tensor]
"""From the noisy latents of a window (W, C, h, w), float32, their noise level (1,) and the numbers of its frames to
the guided prediction, shape of the latents."""


@dataclass(frozen=True)
class Windows:
    """How a clip is cut into windows.

    Attributes:
        length: Frames of each; as many as the UNet was trained on.
        overlap: Frames that neighbouring windows share.
        shift: How far all windows move back with every step, so that their seams never stay in one place.
    """

    length: int = 25
    overlap: int = 3
    shift: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.length:
            raise ValueError(f"windows of {self.length} frames cannot overlap by {self.overlap}")

    def at(self, step: int, frames: int) -> list[list[int]]:
        """The frames of every window in one sampling step.

        All windows are whole: the clip is taken as a circle, and one shorter than a window repeats within it.

        Args:
            step: Number of the sampling step.
            frames: Length of the clip.

        >>> Windows(length=5, overlap=2, shift=3).at(1, 7)
        [[4, 5, 6, 0, 1], [0, 1, 2, 3, 4], [3, 4, 5, 6, 0]]
        """
        offset = step * self.shift % self.length
        starts = range(-offset, frames - offset, self.length - self.overlap)
        return [[(start + own) % frames for own in range(self.length)] for start in starts]


def sample(
    path: GaussianPath,
    start: Tensor,
    predict: Predict,
    steps: int,
    *,
    windows: Windows | None = None,
    on_step: StepCallback | None = None,
) -> Tensor:
    """Sample a clip.

    Where windows overlap, and where a frame comes twice in one, the results of the step are averaged.

    Args:
        path: Noise levels and prediction type.
        start: Noisy latents of all frames at the first level, shape (N, C, h, w); the state is kept in float32.
        predict: Predicts a window.
        steps: Sampling steps.
        windows: How the clip is cut; None takes upstream's.
        on_step: Told of each step.

    Returns:
        Clean latents, float32, shape and device of ``start``.
    """
    windows, times = windows or Windows(), path.sampling_times(steps)
    latents = start.float()
    for step in range(steps):
        t, t_next = times[step : step + 1], times[step + 1 : step + 2]
        if on_step is not None:
            on_step(step, steps, t)
        total, counts = torch.zeros_like(latents), latents.new_zeros(len(latents))
        for frames in windows.at(step, len(latents)):
            rows = torch.tensor(frames, device=latents.device)
            own = latents[rows]
            own = path.step(own, predict(own, t, frames).to(own), t, t_next)
            total.index_add_(0, rows, own)
            counts.index_add_(0, rows, torch.ones_like(rows, dtype=counts.dtype))
        latents = total / counts[:, None, None, None]
    return latents
