"""Contracts of the method room: what a generator is given, what it returns, and what a tuner may touch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from ..core.component import Component
from ..core.errors import ConfigError, PluginError
from ..core.options import parse_options
from ..datasets.clip import Clip
from ..faces.base import Grade
from ..faces.observer import Observer
from .sweeps import Sweep

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
        guides: By region, in the words of :attr:`Tuner.regions`: a clip whose expression that region takes on instead
            of the driving clip's (the paper's PasteDrive). Frame by frame; a frame beyond a clip's end is its last.
            For tuners that know regions; a generator animates with the driving clip alone.
    """

    case_id: str
    identity: Clip
    driving: Clip
    seed: int
    guides: Mapping[str, Clip] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class OracleInputs(Inputs):
    """What a method is given that says ``sees_target = True``: a control, never a competitor.

    Attributes:
        target: The target; None where the suite knows none.
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
        state: What :meth:`DiffusionGenerator.resume` needs of this sampling besides the frames, by name; kept without
            loss beside the output.
        pasted: The clip put back into the identity image's own frame, where the method was asked for that; kept beside
            the output, never scored.
    """

    clip: Clip
    canvas: Clip | None = None
    detail: Detail = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)
    pasted: Clip | None = None


class MethodRole(StrEnum):
    """What a method is in a comparison."""

    COMPETITOR = "competitor"
    CONTROL = "control"
    """An end of a scale: shown as a reference line, never compared with the baseline."""
    TARGET = "target"
    """The control that returns the targets: the best that any method can reach."""


class Generator(Component):
    """Contract of a portrait animator. Making one is cheap; weights are loaded when the first case needs them.

    A subclass is made with ``(options, context)`` and implements :meth:`animate`; one that reads weights or asks face
    models adds what decides its pictures to :meth:`fingerprint`.

    Attributes:
        frame_size: Side in pixels of the square frames it works at, for inputs that no suite frames; None when any
            will do.
        sees_target: Whether :meth:`animate` is given :class:`OracleInputs`; for controls that show what could be
            reached.
        precedence: Methods with a higher one make all their outputs before the others: they leave something in the
            cache that the others then need not do again. Tuners have it too.
        role: Whether it competes, or is a reference line of the tables.
        grade: Whether what it makes is a measurement of the method; printed beside its name.
        settings: All options in effect, given or not, as plain data; printed in the report.
        licence: Terms of the weights that hold for what is tuned from them too; kept in saved adapters. "" for none.
    """

    sees_target: bool = False
    frame_size: int | None = None
    precedence: int = 0
    role: MethodRole = MethodRole.COMPETITOR
    grade: Grade = Grade.REAL
    settings: Mapping[str, Any] = MappingProxyType({})
    licence: str = ""

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:  # noqa: ARG002 - for subclasses
        """Check the options; a subclass with a constructor of its own sets ``settings`` itself."""
        self.options = parse_options(self.options_model, options, f"method {self.name}")
        self.settings = self.options.model_dump(mode="json")

    def fingerprint(self) -> Mapping[str, Any]:
        """Name, code version and all options; a method with weights adds their digests.

        Raises:
            PluginError: When a constructor of its own has told no settings: results of other options would be reused.
        """
        if self.options_model.model_fields and "settings" not in vars(self):
            raise PluginError(f"method {self.name}: its constructor must set settings, or it needs a fingerprint()")
        return {"name": self.name, "code": self.code_version, "options": dict(self.settings)}

    def case_fingerprint(self, case_id: str) -> Mapping[str, Any]:  # noqa: ARG002 - the same for every case
        """The fingerprint as far as one case goes; differs from :meth:`fingerprint` only for looked-up results."""
        return self.fingerprint()

    def animate(self, inputs: Inputs) -> Animation:
        """Put the driving expression and pose onto the identity.

        Raises:
            CaseError: When this case cannot be animated; becomes a typed row.
        """
        raise NotImplementedError(f"{type(self).__name__} has no animate()")

    def require_cases(self, case_ids: Collection[str]) -> None:
        """See that there is something to do for the cases of a run, before it begins; any method can by default.

        Raises:
            ConfigError: When there is nothing for any of them.
        """

    def inventory(self, frames: Mapping[str, int]) -> list[str]:  # noqa: ARG002 - nothing to look up
        """What is there for some cases, in lines for people; for methods that look results up.

        Args:
            frames: Driving frames by case id.
        """
        return []


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


class DiffusionGenerator(Generator, ABC):
    """Contract of a generator that opens exactly what a tuner may touch.

    Frames and latents have the frames of one case as their first axis, (T, 3, H, W) and (T, C, h, w), also where the
    model itself wants them otherwise. Latents are scaled as the denoiser sees them. A tuner gives and expects float32
    tensors; a generator of another precision casts inside.

    Attributes:
        denoiser: The module that :meth:`denoise` and :meth:`sample` call; adapters go into it, and out of it again.
        parameterization: Its noise schedule and prediction type.
        lora_targets: Regular expression over full module names of the denoiser that a tuner may adapt.
        latent_stride: Pixels per latent cell.
        lora_prefix: What the denoiser is called in saved LoRA files, so that plain diffusers loads them: "unet", or
            "transformer".
        has_tiled_decoding: Whether :meth:`decode_tiled` is there.
        tuner_defaults: By tuner name: options that differ from the tuner's defaults for this generator. The user's
            options go before them.
    """

    denoiser: nn.Module
    parameterization: Parameterization
    lora_targets: str
    latent_stride: int
    lora_prefix: str = "unet"
    has_tiled_decoding: bool = False
    tuner_defaults: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    @abstractmethod
    def condition(self, inputs: Inputs) -> Any:
        """Compute all that depends on the case alone, once; encoders may be freed afterwards."""

    @abstractmethod
    def made_frames(self, conditions: Any) -> Sequence[int]:
        """Frames of the driving clip that are generated, ascending; each other one repeats the latest of them.

        Latents of a case have a row for each of these.
        """

    @abstractmethod
    def select(self, conditions: Any, frames: Sequence[int]) -> Any:
        """Conditions of some of the frames that are generated, neighbours in time, to denoise them without the rest."""

    @abstractmethod
    def sample(self, conditions: Any, *, seed: int, on_step: StepCallback | None = None) -> Animation:
        """Generate by normal sampling; :meth:`encode` must take the frames as they are returned."""

    def resume(self, conditions: Any, base: Animation) -> bool:  # noqa: ARG002 - for subclasses
        """Bring fresh conditions to where sampling ``base`` from them would have left them, without sampling.

        Args:
            conditions: Computed anew from the case.
            base: What the same generator made of the same case with the same seed, read back from where it was kept:
                frames, canvas and ``state``, bit by bit.

        Returns:
            Whether it did. If not, as by default, nothing is shared and a tuner samples the case itself.
        """
        return False

    def prime(self, conditions: Any, *, seed: int) -> None:
        """Bring fresh conditions to where a first sampling with ``seed`` leaves them, as far as later ones read that.

        For generators whose samplings depend on the first one of a case; called before adapters are put in, by a tuner
        that has no need of the first sampling itself. By default there is nothing to do.
        """

    @abstractmethod
    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames in [-1, 1], on the denoiser's device; the same frames give the same latents."""

    @abstractmethod
    def decode(self, latents: Tensor, run: int = 1) -> Tensor:
        """Frames in [-1, 1] of latents or of a crop of latents; differentiable.

        Args:
            latents: Shape (N, C, h, w).
            run: So many rows after each other are neighbours in time, for decoders that mix these; the runs know
                nothing of each other. N is a multiple of it.
        """

    def decode_tiled(self, latents: Tensor, cells: int) -> Tensor:  # noqa: ARG002 - for subclasses
        """Whole frames as :meth:`decode` gives them, but by overlapping tiles that a decoder blends itself.

        For comparisons with decoding patches; :attr:`has_tiled_decoding` says whether a generator can.

        Args:
            latents: Shape (N, C, h, w), each row on its own.
            cells: Side of a tile, in latent cells.

        Raises:
            ConfigError: When the decoder has no tiled decoding, as by default.
        """
        raise ConfigError(f"method {self.name}: its decoder has no tiled decoding")

    @abstractmethod
    def denoise(self, noisy: Tensor, t: Tensor, conditions: Any) -> Tensor:
        """The model's prediction for noisy latents at one time of shape (1,); differentiable."""

    def denoising_modules(self, conditions: Any) -> Sequence[nn.Module]:  # noqa: ARG002 - the same for every case
        """The modules that :meth:`denoise` calls for a case, each as a whole; a tuner may compile them for it.

        :attr:`denoiser` alone by default. Others share its layers, so that adapters act in them too.
        """
        return (self.denoiser,)

    @abstractmethod
    def probe(self) -> str:
        """Digest of the denoiser's answer to a fixed input; equal before and after tuning, or the case fails."""


class TunedGenerator(Protocol):
    """What a tuner hands out: the generator as it is for one case."""

    def sample(self, conditions: Any, *, seed: int) -> Animation:
        """Generate by normal sampling with what was tuned."""
        ...

    def save(self, folder: Path, case_id: str) -> None:
        """Write what was tuned as ``<case id>.safetensors``."""
        ...


class Tuner(Component):
    """Contract of a tuner: improves a diffusion generator for one case, and leaves it as it was.

    A subclass is made with ``(options, context)`` and implements :meth:`tune`.

    Attributes:
        precedence: See :class:`Generator`.
        regions: Names of :attr:`Inputs.guides` that it takes, each with its own regions that the name stands for.
            Empty where it knows none; cases with guides are refused then.
        sweeps: Ablations that ``bench ablate`` can run, by name.
    """

    precedence: int = 0
    regions: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    sweeps: Mapping[str, Sweep] = MappingProxyType({})

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:  # noqa: ARG002 - for subclasses
        """Check the options."""
        self.options = parse_options(self.options_model, options, f"method {self.name}")

    def fingerprint(self) -> Mapping[str, Any]:
        """Name, code version and all options; a tuner that asks face models adds what they say of themselves."""
        return {"name": self.name, "code": self.code_version, "options": self.options.model_dump(mode="json")}

    def settings_for(self, generator: DiffusionGenerator) -> Mapping[str, Any]:  # noqa: ARG002 - none to tell
        """All settings in effect for a generator, as plain data; printed in the report."""
        return {}

    def fingerprint_for(self, generator: DiffusionGenerator) -> Mapping[str, Any]:
        """The fingerprint on top of a generator, whose defaults for this tuner count."""
        return {**self.fingerprint(), "settings": self.settings_for(generator)}

    def require_parts(self, generator: DiffusionGenerator) -> None:
        """See that all it takes to tune this generator is there, before a run begins; cheap, as by default.

        Raises:
            ConfigError: When settings ask for a face model or a file that the run has not.
        """

    def tune(
        self, generator: DiffusionGenerator, conditions: Any, inputs: Inputs, *, base: Animation | None = None
    ) -> AbstractContextManager[TunedGenerator]:
        """Tune within a ``with`` block; on leaving it, also by an exception, the generator is bit-exactly itself.

        Args:
            generator: What to tune.
            conditions: What it computed from the case.
            inputs: The case.
            base: The generator's own output for this case and seed, where it is known already: what
                ``generator.sample(conditions, seed=inputs.seed)`` would give. A tuner that starts from anything else
                (another seed, other steps) does not use it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no tune()")


StepProgress = Callable[[int, int, Mapping[str, float]], None]
"""Called by long work with the steps done, the steps in all, and the figures of the moment (losses)."""


class MethodContext:
    """What the harness lends to a method.

    Args:
        make_observer: Builds the run's observer; called when a method first looks at faces.
        device: "cpu", "mps", "cuda", or one of several such as "cuda:1".
        cache: Folder for files a method wants to keep between runs.
        progress: Told how long work on a case goes; None when nobody listens.

    Attributes:
        is_memory_short: Set once a case ran out of memory in this process, before its method is made anew: what only
            saves time should not be kept in memory then.
    """

    def __init__(
        self,
        make_observer: Callable[[], Observer],
        *,
        device: str,
        cache: Path,
        progress: StepProgress | None = None,
    ) -> None:
        self._make_observer = make_observer
        self.device = device
        self.cache = cache
        self.progress = progress
        self.is_memory_short = False

    @cached_property
    def observer(self) -> Observer:
        """The run's face models, with their cache."""
        return self._make_observer()
