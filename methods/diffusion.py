"""Parameterizations of diffusion models: how clean data, noise and a model's prediction relate.

All are Gaussian paths ``noisy = alpha(t) clean + sigma(t) noise`` and differ in their time axis and in what the model
predicts: the noise (:class:`Epsilon`), v (:class:`VPrediction`), the flow (:class:`Flow`) or EDM's preconditioned
network output (:class:`EDM`). Times ``t`` have shape (1,), shared by all frames, or (N,), one per frame, and are the
parameterization's own: an index, a flow time in [0, 1], a noise level.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor


class GaussianPath(ABC):
    """What all parameterizations share, once ``alpha`` and ``sigma`` are known."""

    @abstractmethod
    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Signal and noise factors alpha and sigma at times ``t``, each of ``t``'s shape."""

    @abstractmethod
    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the model should predict, shape of ``clean``."""

    @abstractmethod
    def x0(self, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
        """Clean latents implied by a prediction, shape of ``noisy``."""

    @abstractmethod
    def times(self, share: Tensor) -> Tensor:
        """Training times at shares of the range: 0 is the cleanest, 1 the noisiest, uniform shares train as usual."""

    @abstractmethod
    def sampling_times(self, steps: int) -> Tensor:
        """Times to sample at, noisiest first, and the clean end: shape (steps + 1,)."""

    def model_input(self, noisy: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002 - only EDM scales it
        """Noisy latents as the network wants them."""
        return noisy

    def model_time(self, t: Tensor) -> Tensor:
        """Times as the network wants them."""
        return t

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents at times ``t``, shape of ``clean``."""
        alpha, sigma = self._spread(t, clean)
        return alpha * clean + sigma * noise

    def log_snr(self, t: Tensor) -> Tensor:
        """Logarithm of the signal-to-noise ratio alpha^2 / sigma^2, shape of ``t``."""
        alpha, sigma = self.coefficients(t)
        return 2 * (alpha.log() - sigma.log())

    def start(self, noise: Tensor, t: Tensor) -> Tensor:
        """Latents to begin sampling with at the first time, from standard noise."""
        return self._spread(t, noise)[1] * noise

    def step(self, noisy: Tensor, prediction: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
        """One deterministic sampling step from ``t`` to ``t_next``.

        Keeps the implied noise and moves along the path: DDIM with eta 0 (Song et al. 2021, eq. 12), and Euler's
        method for flow and EDM, which are the same step.
        """
        clean = self.x0(noisy, prediction, t)
        alpha, sigma = self._spread(t, noisy)
        return self.add_noise(clean, (noisy - alpha * clean) / sigma, t_next)

    def _spread(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients in the shape and type that multiply latents."""
        shape = (-1, *(1,) * (like.ndim - 1))
        alpha, sigma = self.coefficients(t.to(like.device))
        return alpha.to(like.dtype).reshape(shape), sigma.to(like.dtype).reshape(shape)


def scaled_linear(steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> Tensor:
    """Cumulative products of 1 - beta with betas linear in their square roots, Stable Diffusion's; shape (steps,)."""
    betas = torch.linspace(math.sqrt(first), math.sqrt(last), steps, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


class _Discrete(GaussianPath):
    """Variance-preserving path on integer steps (Ho et al. 2020, eq. 4).

    Args:
        alphas_cumprod: Cumulative products of 1 - beta, shape (T,), falling.
        spacing: How sampling steps lie: "trailing" ends at T - 1, "leading" begins at ``offset``.
        offset: Added to leading steps; Stable Diffusion 1.5 has 1.
    """

    def __init__(
        self, alphas_cumprod: Tensor, spacing: Literal["trailing", "leading"] = "trailing", offset: int = 0
    ) -> None:
        self.length = len(alphas_cumprod)
        # The last entry is the clean end, so that time -1, which sampling steps to, finds it.
        whole = torch.cat([alphas_cumprod, alphas_cumprod.new_ones(1)])
        # By device: sent there once, since whoever sends waits for it.
        self._alphas_cumprod = {whole.device: whole}
        self._origin = whole
        self._spacing = spacing
        self._offset = offset

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of signal and noise at times; see :meth:`GaussianPath.coefficients`."""
        if t.device not in self._alphas_cumprod:
            self._alphas_cumprod[t.device] = self._origin.to(t.device)
        squared = self._alphas_cumprod[t.device][t]
        return squared.sqrt(), (1 - squared).sqrt()

    def times(self, share: Tensor) -> Tensor:
        """Training times at shares of the range; see :meth:`GaussianPath.times`."""
        return (share * self.length).long().clamp(0, self.length - 1)

    def sampling_times(self, steps: int) -> Tensor:
        """Times of a sampling, noisiest first; see :meth:`GaussianPath.sampling_times`."""
        if self._spacing == "trailing":
            times = (torch.arange(steps, 0, -1) * self.length / steps).round() - 1
        else:
            times = torch.arange(steps - 1, -1, -1) * (self.length // steps) + self._offset
        return torch.cat([times.long(), torch.tensor([-1])])


class Epsilon(_Discrete):
    """The model predicts the noise (Ho et al. 2020)."""

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002 - the noise is all
        """What the model should predict; see :meth:`GaussianPath.target`."""
        return noise

    def x0(self, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
        """Clean latents implied by a prediction; see :meth:`GaussianPath.x0`."""
        alpha, sigma = self._spread(t, noisy)
        return (noisy - sigma * prediction) / alpha


class VPrediction(_Discrete):
    """The model predicts v = alpha noise - sigma clean (Salimans and Ho 2022, appendix D)."""

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the model should predict; see :meth:`GaussianPath.target`."""
        alpha, sigma = self._spread(t, clean)
        return alpha * noise - sigma * clean

    def x0(self, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
        """Clean latents implied by a prediction; see :meth:`GaussianPath.x0`."""
        alpha, sigma = self._spread(t, noisy)
        return alpha * noisy - sigma * prediction


class Flow(GaussianPath):
    """Rectified flow: noisy = (1 - t) clean + t noise, the model predicts noise - clean (Liu et al. 2023).

    Args:
        shift: Moves times towards noise, t -> shift t / (1 + (shift - 1) t) (Esser et al. 2024, eq. 23).
        scale: What the network's own time is at t = 1.
    """

    def __init__(self, shift: float = 1.0, scale: float = 1000.0) -> None:
        self._shift = shift
        self._scale = scale

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of signal and noise at times; see :meth:`GaussianPath.coefficients`."""
        return 1 - t, t

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002 - the same at all times
        """What the model should predict; see :meth:`GaussianPath.target`."""
        return noise - clean

    def x0(self, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
        """Clean latents implied by a prediction; see :meth:`GaussianPath.x0`."""
        return noisy - self._spread(t, noisy)[1] * prediction

    def times(self, share: Tensor) -> Tensor:
        """Training times at shares of the range; see :meth:`GaussianPath.times`."""
        shifted: Tensor = self._shift * share / (1 + (self._shift - 1) * share)
        return shifted

    def sampling_times(self, steps: int) -> Tensor:
        """Times of a sampling, noisiest first; see :meth:`GaussianPath.sampling_times`."""
        return self.times(torch.arange(steps, -1, -1) / steps)

    def model_time(self, t: Tensor) -> Tensor:
        """Time as the network wants it; see :meth:`GaussianPath.model_time`."""
        return t * self._scale


class EDM(GaussianPath):
    """Noise levels as times, preconditioned network (Karras et al. 2022, table 1, column "ours").

    Args:
        sigma_data: Standard deviation of clean latents.
        sign: +1 as in the paper; -1 for networks that predict v, such as Stable Video Diffusion's.
        levels: Lowest and highest noise level.
        training: Mean and standard deviation of the logarithm of the levels trained on.
        rho: Shape of the sampling schedule.
    """

    def __init__(
        self,
        sigma_data: float = 0.5,
        *,
        sign: Literal[1, -1] = 1,
        levels: tuple[float, float] = (0.002, 80.0),
        training: tuple[float, float] = (-1.2, 1.2),
        rho: float = 7.0,
    ) -> None:
        self._data = sigma_data
        self._sign = sign
        self._levels = levels
        self._training = training
        self._rho = rho

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Factors of signal and noise at times; see :meth:`GaussianPath.coefficients`."""
        return torch.ones_like(t), t

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the model should predict; see :meth:`GaussianPath.target`."""
        # Written out: (clean - c_skip noisy) / c_out loses all digits where the noise is small.
        _, sigma = self._spread(t, clean)
        data = self._data
        wanted: Tensor = self._sign * (sigma / data * clean - data * noise) / (sigma**2 + data**2).sqrt()
        return wanted

    def x0(self, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
        """Clean latents implied by a prediction; see :meth:`GaussianPath.x0`."""
        skip, out = self._preconditioning(t, noisy)
        return skip * noisy + out * prediction

    def times(self, share: Tensor) -> Tensor:
        """Training times at shares of the range; see :meth:`GaussianPath.times`."""
        mean, deviation = self._training
        levels: Tensor = (mean + deviation * torch.special.ndtri(share)).exp()
        return levels.clamp(*self._levels)

    def sampling_times(self, steps: int) -> Tensor:
        """Times of a sampling, noisiest first; see :meth:`GaussianPath.sampling_times`."""
        shares = torch.linspace(1, 0, steps, dtype=torch.float64)
        return torch.cat([self.level(shares).float(), torch.zeros(1)])

    def level(self, share: Tensor) -> Tensor:
        """Noise levels at shares of the sampling ramp (eq. 5): 0 is the lowest, 1 the highest; shape of ``share``."""
        low, high = (level ** (1 / self._rho) for level in self._levels)
        levels: Tensor = (low + share * (high - low)) ** self._rho
        return levels

    def model_input(self, noisy: Tensor, t: Tensor) -> Tensor:
        """Noisy latents as the network wants them; see :meth:`GaussianPath.model_input`."""
        _, sigma = self._spread(t, noisy)
        return noisy / (sigma**2 + self._data**2).sqrt()

    def model_time(self, t: Tensor) -> Tensor:
        """Time as the network wants it; see :meth:`GaussianPath.model_time`."""
        return t.log() / 4

    def _preconditioning(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Factors c_skip and c_out."""
        _, sigma = self._spread(t, like)
        total = sigma**2 + self._data**2
        return self._data**2 / total, self._sign * sigma * self._data / total.sqrt()
