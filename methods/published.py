"""What generators of published weights share: options that say which weights, how many steps and which precision."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, Literal, TypeVar

import torch
from pydantic import Field

from ..core.options import Options
from .base import RANDOM_TINY

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What networks can be held in; values of the option ``precision``."""
_STEPS, _DRY_STEPS = 25, 2


class PublishedOptions(Options):
    """Options of a generator whose weights are published; a subclass describes them beside its own."""

    weights: str | None = None
    steps: int | None = Field(default=None, ge=1)
    precision: Literal["fp32", "bf16", "fp16"] | None = None

    @property
    def is_random(self) -> bool:
        """Whether nothing it makes is a measurement."""
        return self.weights == RANDOM_TINY

    @property
    def sampling_steps(self) -> int:
        """How many there are."""
        return self.steps or (_DRY_STEPS if self.is_random else _STEPS)


OptionsT = TypeVar("OptionsT", bound=PublishedOptions)


class PublishedParts(Generic[OptionsT]):
    """Finds and loads what the options ask for.

    Args:
        options: The method's options.
        device: Where the networks go.
    """

    def __init__(self, options: OptionsT, device: str) -> None:
        self._options = options
        self._device = device

    @property
    def precision(self) -> str:
        """The networks' precision by name: 32 bit on a CPU, where 16 are slow, unless another is asked for."""
        return self._options.precision or ("fp32" if self._device == "cpu" else "bf16")

    @property
    def _folder(self) -> Path | None:
        given = self._options.weights
        return Path(given) if given else None
