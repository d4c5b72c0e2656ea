"""The noise levels that HunyuanPortrait samples at, and those that a tuner trains at.

It samples from 700 to 0.002, far above what Stable Video Diffusion's own training draws: which levels a tuner draws
decides whether it trains where its adapters act (docs/hunyuanportrait.md).
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from ..diffusion import EDM, scaled_linear

LOWEST, HIGHEST = 0.002, 700.0
"""First and last noise level of the sampling ramp."""
LOG_MEAN, LOG_DEVIATION = 0.7, 1.6
"""Of the logarithms of the levels that Stable Video Diffusion's second stage was trained at."""


class NoiseLevels(StrEnum):
    """Which noise levels uniform shares of the training range stand for.

    KARRAS is the sampling ramp itself; LOGNORMAL is Stable Video Diffusion's training; DISCRETE are the 1000 steps of
    its scheduler file, which end at 14.6.
    """

    KARRAS = "karras"
    LOGNORMAL = "lognormal"
    DISCRETE = "discrete"


class VideoNoise(EDM):
    """EDM noise levels with v-prediction, as Stable Video Diffusion has them (data of unit deviation).

    With s = sqrt(sigma^2 + 1): x0 = noisy / s^2 - v sigma / s, and the target is v = (noise - sigma clean) / s.

    Args:
        levels: Which levels a tuner trains at.
    """

    def __init__(self, levels: NoiseLevels = NoiseLevels.KARRAS) -> None:
        super().__init__(1.0, sign=-1, levels=(LOWEST, HIGHEST), training=(LOG_MEAN, LOG_DEVIATION))
        self._kind = levels
        alphas = scaled_linear().double()
        self._table = ((1 - alphas) / alphas).sqrt().float()

    def times(self, share: Tensor) -> Tensor:
        """Training times at shares of the range; see :meth:`GaussianPath.times`."""
        if self._kind is NoiseLevels.LOGNORMAL:
            return super().times(share)
        if self._kind is NoiseLevels.KARRAS:
            return self.level(share)
        steps = len(self._table)
        rows = (share * steps).long().clamp(0, steps - 1)
        return torch.as_tensor(self._table.to(share.device)[rows])
