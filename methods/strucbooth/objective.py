"""One case while it is tuned: what a step draws at random, and its losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.errors import DivergedError
from ..base import DiffusionGenerator
from ..tiling import tile_side
from .config import StrucBoothConfig
from .losses import PixelTerm, ldm_loss, pull_back
from .patches import PatchDecoder, Site
from .targets import TuningTargets


@dataclass(frozen=True, eq=False)
class Draw:
    """What one noise draw uses.

    Attributes:
        frames: Consecutive rows of the PGT that are denoised.
        t: Their common time, shape (1,).
        noise: Shape of the frames' latents.
        decoded: Rows of ``frames`` whose regions are decoded.
        identity: Row of ``frames`` for the identity loss; None where no face is known.
    """

    frames: list[int]
    t: Tensor
    noise: Tensor
    decoded: list[int]
    identity: int | None


@dataclass(frozen=True, eq=False)
class Losses:
    """The losses of one draw, not read yet: reading waits for the device.

    Attributes:
        scalars: The denoising loss, what it must not exceed, and the other losses times their weights.
        weights: Those weights by name, in order.
    """

    scalars: Tensor
    weights: Mapping[str, float]


def read(draws: Sequence[Losses]) -> Iterator[dict[str, float]]:
    """The losses of draws by name, not weighted; the device is waited for once for all of them.

    Raises:
        DivergedError: When a denoising loss is far above the mean square of its target.
    """
    values = iter(torch.cat([draw.scalars for draw in draws]).tolist())
    for draw in draws:
        value, limit = next(values), next(values)
        if value > limit:
            raise DivergedError(f"the denoising loss is {value:.3g}, above {limit:.3g}")
        yield {"ldm": value, **{name: next(values) / weight for name, weight in draw.weights.items()}}


class TuningObjective:
    """Computes losses and gradients for one case.

    All randomness comes from one seed, on the CPU, so that a case gives the same weights in any order of cases.

    Args:
        generator: The generator with adapters in it.
        conditions: The generator's conditions of the case.
        guide: What to tune towards.
        config: The settings.
        seed: Seed of diffusion times, noise and frame choices.
    """

    def __init__(
        self, generator: DiffusionGenerator, conditions: Any, guide: TuningTargets, config: StrucBoothConfig, seed: int
    ) -> None:
        self._generator = generator
        self._conditions = conditions
        self._guide = guide
        self._config = config
        self._random = torch.Generator().manual_seed(seed)
        self._selection: tuple[list[int], Any] | None = None
        whole, decode = config.decoding != "patch", self._decode_tiled if config.decoding == "tiled" else self._decode
        self._decoder = PatchDecoder(
            decode, generator.latent_stride, config.halo, whole, config.neighbours, config.patch_batch
        )

    @property
    def patches(self) -> int:
        """How many patches guide the tuning, over all frames."""
        return sum(len(own) for own in self._guide.patches)

    def draw(self) -> Draw:
        """Choose a time, noise and frames."""
        config, latents = self._config, self._guide.latents
        low, high = config.timesteps
        t = self._generator.parameterization.times(low + (high - low) * torch.rand(1, generator=self._random))
        length = min(config.segment, len(latents))
        start = self._below(len(latents) - length + 1)
        frames = list(range(start, start + length))
        noise = torch.randn((length, *latents.shape[1:]), generator=self._random)
        with_patches = [row for row, frame in enumerate(frames) if self._guide.patches[frame]]
        order = torch.randperm(len(with_patches), generator=self._random)[: config.frames].tolist()
        decoded = sorted(with_patches[index] for index in order)
        # Both lie in ordinary memory, which has been read when the call comes back, though the device may not be there.
        there = (t.to(latents.device, non_blocking=True), noise.to(latents, non_blocking=True))
        return Draw(frames, *there, decoded, self._identity_row(frames))

    def backward(self, parameters: list[torch.nn.Parameter]) -> dict[str, float]:
        """Draw once, add gradients and read the losses at once; see :meth:`add_gradients` and :func:`read`."""
        return next(read([self.add_gradients(parameters)]))

    def add_gradients(self, parameters: list[torch.nn.Parameter]) -> Losses:
        """Draw once and add the weighted losses' gradients (eq. 8) to the parameters'; does not wait for the device."""
        config, path, draw = self._config, self._generator.parameterization, self.draw()
        clean = self._guide.latents[draw.frames[0] : draw.frames[-1] + 1]
        noisy = path.add_noise(clean, draw.noise, draw.t)
        target = path.target(clean, draw.noise, draw.t)
        with self._autocast(clean.device):
            own = [self._guide.frames[row] for row in draw.frames]
            prediction = self._generator.denoise(noisy, draw.t, self._selected(own)).float()
        ldm = ldm_loss(prediction, target)
        x0 = path.x0(noisy, prediction, draw.t)
        pixels, gradient = pull_back(x0, self._terms(draw))
        share = 1 / config.accumulate
        torch.autograd.backward([share * config.ldm_weight * ldm, x0], [None, share * gradient], inputs=parameters)
        scalars = [ldm.detach(), config.divergence * target.square().mean(), *pixels.values()]
        weights = {"gradient": config.gradient_weight, "identity": config.identity_weight}
        return Losses(torch.stack([one.float() for one in scalars]), {name: weights[name] for name in pixels})

    def _selected(self, frames: list[int]) -> Any:
        """Conditions of some frames; the last ones are kept, since steps often look at the same frames.

        A generator that keeps a clip's conditions in main memory then need not send them again, and wait for that.
        """
        if self._selection is None or self._selection[0] != frames:
            self._selection = None  # its memory is the next one's
            self._selection = frames, self._generator.select(self._conditions, frames)
        return self._selection[1]

    def _terms(self, draw: Draw) -> list[PixelTerm]:
        """The losses of a draw that look at pixels."""
        config, sites = self._config, []
        for row in draw.decoded:
            patches = self._guide.patches[draw.frames[row]]
            weight = config.gradient_weight / len(draw.decoded) / len(patches)
            sites += [Site(row, patch, weight) for patch in patches]
        terms = self._decoder.terms(sites, config.eps)
        identity = self._guide.identity
        if identity is not None and draw.identity is not None:
            frame = draw.frames[draw.identity]
            terms.append(identity.term(self._decode, frame, draw.identity, config.identity_weight))
        return terms

    def _decode(self, latents: Tensor, run: int = 1) -> Tensor:
        """The generator's decoder; only it runs under autocast, since gradients of images need full precision."""
        with self._autocast(latents.device):
            frames = self._generator.decode(latents, run) if run > 1 else self._generator.decode(latents)
        return frames.float()

    def _decode_tiled(self, latents: Tensor) -> Tensor:
        """Whole frames by the decoder's own tiles; not for the identity loss, so that rows differ in one thing."""
        with self._autocast(latents.device):
            frames = self._generator.decode_tiled(latents, tile_side(latents))
        return frames.float()

    def _identity_row(self, frames: list[int]) -> int | None:
        """A random one of the frames with a face."""
        if self._guide.identity is None:
            return None
        landmarks = self._guide.identity.landmarks
        rows = [row for row, frame in enumerate(frames) if np.isfinite(landmarks[frame]).all()]
        return rows[self._below(len(rows))] if rows else None

    def _below(self, count: int) -> int:
        return int(torch.randint(count, (1,), generator=self._random))

    def _autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        if self._config.precision == "fp32":
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16)
