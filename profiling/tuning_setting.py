"""The settings of ``bench profile tuning``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import ConfigError
from ..methods.hellomeme import architecture as hellomeme
from ..methods.hellomeme.samplers import WINDOW
from ..methods.hunyuanportrait import architecture as hunyuanportrait
from ..methods.hunyuanportrait.sampler import Windows
from ..methods.published import PRECISIONS

_SIDES = range(64, 513, 64)
"""Sides in pixels that the UNets halve without a rest; HelloMeme's reference adapter knows no larger maps."""


@dataclass(frozen=True)
class Kind:
    """A generator that can be profiled.

    Attributes:
        method: Its registry name.
        architecture: Sizes of its networks.
        longest: Most frames that are denoised together.
    """

    method: str
    architecture: Any
    longest: int


GENERATORS: Mapping[str, Kind] = {
    "hellomeme": Kind("hellomeme", hellomeme.REAL, WINDOW),
    "hellomeme-tiny": Kind("hellomeme", hellomeme.TINY, WINDOW),
    "hunyuanportrait": Kind("hunyuanportrait", hunyuanportrait.REAL, Windows().length),
    "hunyuanportrait-tiny": Kind("hunyuanportrait", hunyuanportrait.TINY, Windows().length),
}


@dataclass(frozen=True)
class Setting:
    """What is profiled, and how.

    Attributes:
        generator: One of :data:`GENERATORS`.
        size: Frame side in pixels; None takes the generator's own.
        frames: Number of frames denoised together: 1 is an image, more are a window of a clip.
        precision: Data type of the networks; adapters stay in float32.
        checkpointing: Compute activations of denoiser and decoder again instead of keeping them.
        samples: Load what sampling needs too.
        device: Device that the profile runs on: "cpu", "cuda", "cuda:1" or "mps".
        seed: Seed of weights, conditions, latents, noise and diffusion times.
    """

    generator: str = "hellomeme"
    size: int | None = None
    frames: int = 1
    precision: str = "fp32"
    checkpointing: bool = False
    samples: bool = False
    device: str = "cpu"
    seed: int = 0

    @property
    def side(self) -> int:
        """Frame side in pixels."""
        if self.size is not None:
            return self.size
        side: int = GENERATORS[self.generator].architecture.side
        return side

    def check(self) -> None:
        """Refuse what cannot be built.

        Raises:
            ConfigError: In one line that names the flag.
        """
        for flag, value, choices in (
            ("--generator", self.generator, GENERATORS),
            ("--precision", self.precision, PRECISIONS),
        ):
            if value not in choices:
                raise ConfigError(f"{flag} {value!r}: must be one of {', '.join(choices)}")
        if self.side not in _SIDES:
            raise ConfigError(f"--size {self.side}: must be a multiple of {_SIDES.step}, {_SIDES[0]} to {_SIDES[-1]}")
        longest = GENERATORS[self.generator].longest
        if not 1 <= self.frames <= longest:
            raise ConfigError(
                f"--frames {self.frames}: must be 1, an image, to {longest}, the longest window of a clip"
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"--seed {self.seed}: must be 0 to {2**32 - 1}")
