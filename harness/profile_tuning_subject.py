"""What ``bench profile tuning`` tunes: HelloMeme on random weights, a case for it, and what its losses compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from ..core.errors import ConfigError
from ..faces.pocket_backend import PocketBackend
from ..methods.hellomeme.architecture import LATENT_CHANNELS, REAL, STRIDE, TINY, Architecture
from ..methods.hellomeme.conditions import Conditions
from ..methods.hellomeme.random_parts import PRECISIONS, RandomHelloMeme
from ..methods.hellomeme.samplers import WINDOW
from ..methods.lora import Lora, injected_lora
from ..methods.strucbooth.config import StrucBoothConfig
from ..methods.strucbooth.guides import CaseGuide
from ..methods.strucbooth.identity import IdentityGuide
from .profile_faces import SOURCE, face_landmarks, face_patches, face_render
from .turns import Moment

GENERATORS: Mapping[str, Architecture] = {"hellomeme": REAL, "hellomeme-tiny": TINY}

_SIDES = range(64, 513, 64)
"""Sides in pixels that the UNet halves without a rest; the reference adapter knows no larger maps."""


@dataclass(frozen=True)
class Setting:
    """What is profiled, and how.

    Attributes:
        generator: One of :data:`GENERATORS`.
        size: Frame side in pixels; None takes the generator's own.
        frames: That are denoised together: 1 is an image, more are a window of a clip.
        precision: What the networks are held in; adapters stay in float32.
        checkpointing: Compute the denoiser's activations again instead of keeping them.
        samples: Load what sampling needs too.
        device: Where it runs: "cpu", "cuda", "cuda:1" or "mps".
        seed: Of weights, conditions, latents, noise and times.
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
        return GENERATORS[self.generator].side if self.size is None else self.size

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
        if not 1 <= self.frames <= WINDOW:
            raise ConfigError(f"--frames {self.frames}: must be 1, an image, to {WINDOW}, the longest window of a clip")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"--seed {self.seed}: must be 0 to {2**32 - 1}")


class WatchedHelloMeme(RandomHelloMeme):
    """Notes when a tuning step passes the denoiser's ends.

    Attributes:
        marks: The last moments "asked" and "predicted", at the ends of the denoiser's forward pass, and "pulled", when
            the gradient of all losses has come back to its prediction.
        place: Where it runs.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.marks: dict[str, Moment] = {}
        self.place = torch.device(options["device"])

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Any) -> Tensor:
        """See :meth:`DiffusionGenerator.denoise`."""
        self.marks["asked"] = Moment.now(self.place)
        prediction = super().denoise(noisy, t, conditions)
        self.marks["predicted"] = Moment.now(self.place)

        def arrived(_gradient: Tensor) -> None:
            self.marks["pulled"] = Moment.now(self.place)

        if prediction.requires_grad:
            prediction.register_hook(arrived)  # type: ignore[no-untyped-call]
        return prediction


class TuningSubject:
    """HelloMeme on random weights and a random case, with the face of :mod:`.profile_faces`.

    Args:
        setting: What to build.

    Attributes:
        setting: Of this subject.
        generator: On random weights.
        conditions: Of the case, as after its first sampling.
        config: StrucBooth's defaults for the generator.
        latents: What is tuned towards, shape (frames, 4, h, w).

    Raises:
        ConfigError: When the setting does not fit.
    """

    def __init__(self, setting: Setting) -> None:
        setting.check()
        self.setting = setting
        self.generator = WatchedHelloMeme(
            GENERATORS[setting.generator],
            precision=setting.precision,
            device=setting.device,
            seed=setting.seed,
            is_clip=setting.frames > 1,
            samples=setting.samples,
        )
        self._resident = self.generator.resident()
        self.conditions = self.generator.random_conditions(setting.frames, setting.side, sampled=True)
        self.config = StrucBoothConfig(**self.generator.tuner_defaults["strucbooth"])
        cells, random = setting.side // STRIDE, torch.Generator().manual_seed(setting.seed)
        latents = torch.randn((setting.frames, LATENT_CHANNELS, cells, cells), generator=random)
        self.latents = latents.to(self.generator.place)
        self.patches = face_patches(setting.side, STRIDE, self.generator.place)
        self._twin = PocketBackend({}, device=setting.device).differentiable().requires_grad_(False)

    def fresh_conditions(self) -> Conditions:
        """The case's conditions as before its first sampling."""
        return self.generator.random_conditions(self.setting.frames, self.setting.side, sampled=False)

    def guide(self, *, identity: bool) -> CaseGuide:
        """What the losses compare with: the same six patches in every frame, and one face.

        Args:
            identity: Whether the identity loss takes part.
        """
        frames = self.setting.frames
        return CaseGuide(self.latents, [self.patches] * frames, self._identity() if identity else None)

    @contextmanager
    def adapters(self) -> Iterator[Lora]:
        """Put StrucBooth's adapters in, and switch on what the setting asks of the denoiser, for a ``with`` block."""
        denoiser, targets = self.generator.denoiser, self.generator.lora_targets
        with injected_lora(denoiser, targets, rank=self.config.rank, seed=self.setting.seed) as lora:
            if self.setting.checkpointing:
                denoiser.enable_gradient_checkpointing()  # type: ignore[operator]
            yield lora

    def about(self, lora: Lora) -> dict[str, Any]:
        """What was tuned, as plain data.

        Args:
            lora: The adapters, in place.
        """
        layers = [module for module in self.generator.denoiser.modules() if isinstance(module, LoraLayer)]
        parameters = sum(one.numel() for one in lora.parameters)
        identity = sum(one.numel() for one in self._twin.parameters())
        more = {"LoRA": lora.parameters, "identity network": self._twin.parameters()}
        return {
            "weights": f"random weights, seed {self.setting.seed}",
            "latent_shape": list(self.latents.shape),
            "landmarks": SOURCE,
            "regions": {patch.region: vars(patch.cells) for patch in self.patches},
            "decoded_frames": min(self.config.frames, self.setting.frames),
            "lora": {"modules": len(layers), "parameters": parameters, "rank": self.config.rank},
            "identity_network": {"name": "pocket, embedded", "parameters": identity},
            "resident_bytes": self._resident | {name: sum(one.nbytes for one in own) for name, own in more.items()},
        }

    def _identity(self) -> IdentityGuide:
        own, _ = face_landmarks(self.setting.side)
        with torch.no_grad():
            reference = self._twin.embed(face_render(self.setting.side).to(self.generator.place), [own])
        return IdentityGuide(self._twin, reference, own[None].repeat(self.setting.frames, axis=0))
