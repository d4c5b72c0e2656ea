"""Contracts of the method room: what a generator is given, what it returns, and what a tuner may touch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..datasets.clip import Clip
from ..faces.observer import Observer

if TYPE_CHECKING:
    from torch import Tensor

Detail = Mapping[str, float | int | str]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a method may know of a case. Never the target.

    Attributes:
        case_id: For messages, and for methods that look results up.
        identity: The identity image, one frame on the suite's square canvas.
        driving: The driving clip on the same canvas.
        seed: Derived from the run's seed and the case, so that order and workers do not matter.
    """

    case_id: str
    identity: Clip
    driving: Clip
    seed: int


@dataclass(frozen=True, eq=False)
class Animation:
    """What a method returns.

    Attributes:
        clip: One frame per driving frame.
        canvas: The driving clip as the method cropped it into its own frame, where it did: landmark distances need
            it, since framing alone adds 23-51 px. None when the frames kept the given framing.
        detail: Facts worth a record (losses, steps, sizes).
    """

    clip: Clip
    canvas: Clip | None = None
    detail: Detail = field(default_factory=dict)


@runtime_checkable
class Generator(Protocol):
    """A portrait animator. Making one is cheap; weights are loaded when the first case needs them."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    @property
    def revision(self) -> str:
        """Digest of all that decides the pictures besides the case and the seed: weights, options, code version."""
        ...

    def case_revision(self, case_id: str) -> str:
        """The revision as far as one case goes; differs from :attr:`revision` only for looked-up results."""
        ...

    def animate(self, inputs: Inputs) -> Animation:
        """Put the driving expression and pose onto the identity.

        Raises:
            CaseError: When this case cannot be animated; becomes a typed row.
        """
        ...


class GeneratorBase:
    """The part of :class:`Generator` that most methods share."""

    name: str
    revision: str

    def case_revision(self, case_id: str) -> str:  # noqa: ARG002 - the same for every case
        """See :meth:`Generator.case_revision`."""
        return self.revision


class Parameterization(Protocol):
    """How a diffusion model relates clean data, noise and its own prediction: epsilon, v, flow or EDM."""

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents at time ``t``."""
        ...

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the model should predict."""
        ...

    def x0(self, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
        """Clean latents implied by a prediction."""
        ...


@runtime_checkable
class DiffusionGenerator(Generator, Protocol):
    """A generator that opens exactly what a tuner may touch.

    Attributes:
        parameterization: Its noise schedule and prediction type.
        lora_targets: Regular expression over module names of the denoiser that a tuner may adapt.
        latent_stride: Pixels per latent cell.
    """

    parameterization: Parameterization
    lora_targets: str
    latent_stride: int

    def condition(self, inputs: Inputs) -> Any:
        """Compute all that depends on the case alone, once; encoders may be freed afterwards."""
        ...

    def sample(self, conditions: Any, *, seed: int) -> Animation:
        """Generate by normal sampling."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames in [-1, 1], shape (T, 3, H, W)."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Frames in [-1, 1] of latents or of a crop of latents; differentiable."""
        ...

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Any) -> Tensor:
        """The model's prediction."""
        ...

    def probe(self) -> str:
        """Digest of the denoiser's answer to a fixed input; equal before and after tuning, or the case fails."""
        ...


@runtime_checkable
class Tuner(Protocol):
    """Improves a diffusion generator for one case, and leaves it as it was."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    @property
    def revision(self) -> str:
        """Digest of options and code version."""
        ...

    def tune(
        self, generator: DiffusionGenerator, conditions: Any, inputs: Inputs
    ) -> AbstractContextManager[DiffusionGenerator]:
        """Tune within a ``with`` block; on leaving it, also by an exception, the generator is bit-exactly itself."""
        ...


class MethodContext:
    """What the harness lends to a method.

    Args:
        make_observer: Builds the run's observer; called when a method first looks at faces.
        device: "cpu", "cuda" or "mps".
        cache: Folder for files a method wants to keep between runs.
    """

    def __init__(self, make_observer: Callable[[], Observer], *, device: str, cache: Path) -> None:
        self._make_observer = make_observer
        self.device = device
        self.cache = cache

    @cached_property
    def observer(self) -> Observer:
        """The run's face models, with their cache."""
        return self._make_observer()


class MethodFactory(Protocol):
    """What the registry holds: a class or function that makes a generator or a tuner from its options."""

    def __call__(self, options: Mapping[str, Any], context: MethodContext) -> Generator | Tuner:
        """Make the method, without loading weights.

        Raises:
            ConfigError: When an option is unknown or malformed.
            WeightsError: When weights are missing; says how to get them.
        """
        ...
