"""Contracts of the method room: what a generator is given, what it returns, and what a tuner may touch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..core.options import Options
from ..datasets.clip import Clip
from ..faces.base import Grade
from ..faces.observer import Observer

if TYPE_CHECKING:
    from torch import Tensor, nn

Detail = Mapping[str, float | int | str]

RANDOM_TINY = "random-tiny"
"""Value of a method's option ``weights`` for a small configuration with random weights: a dry run of the whole chain
that needs no file and measures nothing."""


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
class OracleInputs(Inputs):
    """What a method is given that says ``sees_target = True``: a control, never a competitor.

    Attributes:
        target: The true answer; None where the suite knows none.
    """

    target: Clip | None = None


@dataclass(frozen=True, eq=False)
class Animation:
    """What a method returns.

    Attributes:
        clip: One frame per driving frame.
        canvas: The driving clip as the method cropped it into its own frame, where it did: landmark distances need
            it, since framing alone adds 23-51 px. None when the frames kept the given framing.
        detail: Facts worth a record (losses, steps, sizes).
        pasted: The clip put back into the identity image's own frame, where the method was asked for that; kept beside
            the output, never scored.
    """

    clip: Clip
    canvas: Clip | None = None
    detail: Detail = field(default_factory=dict)
    pasted: Clip | None = None


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
    """The part of :class:`Generator` that most methods share.

    Attributes:
        name: See :class:`Generator`.
        revision: See :class:`Generator`.
        frame_size: Side in pixels of the square frames it works at, for inputs that no suite frames; None when any
            will do.
        sees_target: Whether :meth:`animate` is given :class:`OracleInputs`; for controls that show what could be
            reached.
        precedence: Methods with a higher one make all their outputs before the others: they leave something in the
            cache that the others then need not do again. Tuners may have it too.
        grade: Whether what it makes is a measurement of the method; printed beside its name.
        options_model: What its options are; for ``bench methods explain``. Tuners have it too.
        settings: All options in effect, given or not, as plain data; printed in the report.
        licence: Terms of the weights that hold for what is tuned from them too; kept in saved adapters. "" for none.
    """

    name: str
    revision: str
    sees_target: bool = False
    frame_size: int | None = None
    precedence: int = 0
    grade: Grade = Grade.REAL
    options_model: type[Options] = Options
    settings: Mapping[str, Any] = MappingProxyType({})
    licence: str = ""

    def case_revision(self, case_id: str) -> str:  # noqa: ARG002 - the same for every case
        """See :meth:`Generator.case_revision`."""
        return self.revision


class Parameterization(Protocol):
    """How a diffusion model relates clean data, noise and its own prediction: epsilon, v, flow or EDM.

    Times have shape (1,) or (N,) and are the parameterization's own; :mod:`.diffusion` implements the usual four.
    """

    def times(self, share: Tensor) -> Tensor:
        """Training times at shares of the range: 0 is the cleanest, 1 the noisiest, uniform shares train as usual."""
        ...

    def log_snr(self, t: Tensor) -> Tensor:
        """Logarithm of the signal-to-noise ratio at times ``t``, shape of ``t``."""
        ...

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents at time ``t``."""
        ...

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the model should predict."""
        ...

    def x0(self, noisy: Tensor, prediction: Tensor, t: Tensor) -> Tensor:
        """Clean latents implied by a prediction."""
        ...


StepCallback = Callable[[int, int, "Tensor"], None]
"""Called before each denoising step of a sampling with the step's index, the number of steps, and its time (1,)."""


@runtime_checkable
class DiffusionGenerator(Generator, Protocol):
    """A generator that opens exactly what a tuner may touch.

    Frames and latents have the frames of one case as their first axis, (T, 3, H, W) and (T, C, h, w), also where the
    model itself wants them otherwise. Latents are scaled as the denoiser sees them. A tuner gives and expects float32
    tensors; a generator of another precision casts inside.

    Attributes:
        denoiser: The module that :meth:`denoise` and :meth:`sample` call; adapters go into it, and out of it again.
        parameterization: Its noise schedule and prediction type.
        lora_targets: Regular expression over full module names of the denoiser that a tuner may adapt.
        latent_stride: Pixels per latent cell.
        tuner_defaults: By tuner name: options that differ from the tuner's defaults for this generator. The user's
            options go before them.
    """

    denoiser: nn.Module
    parameterization: Parameterization
    lora_targets: str
    latent_stride: int
    tuner_defaults: Mapping[str, Mapping[str, Any]]

    def condition(self, inputs: Inputs) -> Any:
        """Compute all that depends on the case alone, once; encoders may be freed afterwards."""
        ...

    def made_frames(self, conditions: Any) -> Sequence[int]:
        """Frames of the driving clip that are generated, ascending; each other one repeats the latest of them.

        Latents of a case have a row for each of these.
        """
        ...

    def select(self, conditions: Any, frames: Sequence[int]) -> Any:
        """Conditions of some of the frames that are generated, neighbours in time, to denoise them without the rest."""
        ...

    def sample(self, conditions: Any, *, seed: int, on_step: StepCallback | None = None) -> Animation:
        """Generate by normal sampling; :meth:`encode` must take the frames as they are returned."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames in [-1, 1], on the denoiser's device; the same frames give the same latents."""
        ...

    def decode(self, latents: Tensor, run: int = 1) -> Tensor:
        """Frames in [-1, 1] of latents or of a crop of latents; differentiable.

        Args:
            latents: Shape (N, C, h, w).
            run: So many rows after each other are neighbours in time, for decoders that mix these; the runs know
                nothing of each other. N is a multiple of it.
        """
        ...

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Any) -> Tensor:
        """The model's prediction for noisy latents at one time of shape (1,); differentiable."""
        ...

    def probe(self) -> str:
        """Digest of the denoiser's answer to a fixed input; equal before and after tuning, or the case fails."""
        ...


class TunedGenerator(Protocol):
    """What a tuner hands out: the generator as it is for one case."""

    def sample(self, conditions: Any, *, seed: int) -> Animation:
        """Generate by normal sampling with what was tuned."""
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
    ) -> AbstractContextManager[TunedGenerator]:
        """Tune within a ``with`` block; on leaving it, also by an exception, the generator is bit-exactly itself."""
        ...


class SavableGenerator(TunedGenerator, Protocol):
    """A tuned generator whose weights can be kept."""

    def save(self, folder: Path, case_id: str) -> None:
        """Write the weights as ``<case id>.safetensors``."""
        ...


class RegionTuner(Tuner, Protocol):
    """A tuner that can take the expression of single regions from other clips (the paper's PasteDrive).

    Attributes:
        regions: Names that a person may give, each with the regions it stands for.
    """

    regions: Mapping[str, tuple[str, ...]]

    def tune(
        self,
        generator: DiffusionGenerator,
        conditions: Any,
        inputs: Inputs,
        *,
        sources: Mapping[str, Clip] | None = None,
    ) -> AbstractContextManager[SavableGenerator]:
        """See :meth:`Tuner.tune`.

        Args:
            generator: What to tune.
            conditions: What it computed from the case.
            inputs: The case.
            sources: By region: a clip that drives it instead of the driving clip. A frame beyond its end is its last.
        """
        ...


Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called by long work with the steps done, the steps in all, and the figures of the moment (losses)."""


class MethodContext:
    """What the harness lends to a method.

    Args:
        make_observer: Builds the run's observer; called when a method first looks at faces.
        device: "cpu", "cuda" or "mps".
        cache: Folder for files a method wants to keep between runs.
        progress: Told how long work on a case goes; None when nobody listens.
    """

    def __init__(
        self,
        make_observer: Callable[[], Observer],
        *,
        device: str,
        cache: Path,
        progress: Progress | None = None,
    ) -> None:
        self._make_observer = make_observer
        self.device = device
        self.cache = cache
        self.progress = progress

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
