"""What generators of published weights share: options that say which weights, how many steps and which precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar

import torch
from pydantic import Field
from torch import nn

from ..core.options import Options
from .base import RANDOM_TINY
from .random_weights import resident_bytes
from .residence import Offload, resident

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What networks can be held in; values of the option ``precision``."""
NOT_DECISIVE = {"weights", "precision", "offload"}
"""Options that a fingerprint leaves out: weights and precision stand in it as they are, and where networks wait
between two cases changes no picture."""
_STEPS, _DRY_STEPS = 25, 2


class PublishedOptions(Options):
    """Options of a generator whose weights are published; a subclass describes them beside its own."""

    weights: str | None = None
    steps: int | None = Field(default=None, ge=1)
    precision: Literal["fp32", "bf16", "fp16"] | None = None
    offload: Offload = "auto"

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
        is_memory_short: Whether memory ran out before; see :attr:`MethodContext.is_memory_short`.
    """

    def __init__(self, options: OptionsT, device: str, *, is_memory_short: bool = False) -> None:
        self._options = options
        self._device = device
        self._is_memory_short = is_memory_short

    @property
    def precision(self) -> str:
        """The networks' precision by name: 32 bit on a CPU, where 16 are slow, unless another is asked for."""
        return self._options.precision or ("fp32" if self._device == "cpu" else "bf16")

    def _staying(self, modules: Mapping[str, nn.Module], names: Sequence[str], case: int) -> list[str]:
        """Which of some networks stay on the device; asked once, when those of every step are there.

        Args:
            modules: All networks by name.
            names: Those that need not stay, the most asked first.
            case: Bytes that a case needs.
        """
        sizes = {name: resident_bytes(modules[name]) for name in names if name in modules}
        return resident(self._options.offload, self._device, sizes, case, is_memory_short=self._is_memory_short)

    @property
    def _folder(self) -> Path | None:
        given = self._options.weights
        return Path(given) if given else None
