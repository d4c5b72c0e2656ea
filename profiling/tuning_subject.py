"""What ``bench profile tuning`` tunes: a generator on random weights, a case, and what its losses compare with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from ..faces.backends.pocket import PocketBackend
from ..methods.hellomeme.architecture import LATENT_CHANNELS, STRIDE
from ..methods.hellomeme.random_generator import RandomWeightsHelloMeme
from ..methods.hunyuanportrait.random_generator import RandomHunyuanPortrait
from ..methods.lora import Lora, injected_lora
from ..methods.strucbooth.config import StrucBoothConfig
from ..methods.strucbooth.identity_loss import IdentityTarget
from ..methods.strucbooth.targets import TuningTargets
from .faces import SOURCE, face_landmarks, face_patches, face_render
from .interleaved import ClockReading
from .tuning_setting import GENERATORS, Setting


class _Watched:
    """Notes when a tuning step passes the denoiser's ends; goes before a generator on random weights.

    Attributes:
        marks: The last moments "asked" and "predicted", at the ends of the denoiser's forward pass, and "pulled", when
            the gradient of all losses has come back to its prediction.
        place: Where it runs.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.marks: dict[str, ClockReading] = {}
        self.place = torch.device(options["device"])

    def denoise(self, noisy: Tensor, t: Tensor, conditions: Any) -> Tensor:
        """The model's prediction for noisy latents; see :meth:`DiffusionGenerator.denoise`."""
        self.marks["asked"] = ClockReading.now(self.place)
        prediction: Tensor = super().denoise(noisy, t, conditions)  # type: ignore[misc]
        self.marks["predicted"] = ClockReading.now(self.place)

        def arrived(_gradient: Tensor) -> None:
            self.marks["pulled"] = ClockReading.now(self.place)

        if prediction.requires_grad:
            prediction.register_hook(arrived)  # type: ignore[no-untyped-call]
        return prediction


class _WatchedHelloMeme(_Watched, RandomWeightsHelloMeme):
    """HelloMeme, watched."""


class WatchedHunyuanPortrait(_Watched, RandomHunyuanPortrait):
    """HunyuanPortrait, watched."""


_WATCHED: dict[str, type[_WatchedHelloMeme | WatchedHunyuanPortrait]] = {
    "hellomeme": _WatchedHelloMeme,
    "hunyuanportrait": WatchedHunyuanPortrait,
}


class TuningSubject:
    """A generator on random weights and a random case, with the face of :mod:`.profile_faces`.

    Args:
        setting: What to build.

    Attributes:
        setting: Setting that this subject was built from.
        generator: The generator, on random weights.
        conditions: Conditions of the case, as after its first sampling.
        config: StrucBooth's defaults for the generator.
        latents: Random latents in place of the PGT's, shape (frames, 4, h, w).

    Raises:
        ConfigError: When the setting does not fit.
    """

    def __init__(self, setting: Setting) -> None:
        setting.check()
        self.setting = setting
        kind = GENERATORS[setting.generator]
        self.generator: Any = _WATCHED[kind.method](
            kind.architecture,
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
        self._embedder = PocketBackend({}, device=setting.device).differentiable().requires_grad_(False)

    def fresh_conditions(self) -> Any:
        """The case's conditions as before its first sampling."""
        return self.generator.random_conditions(self.setting.frames, self.setting.side, sampled=False)

    def guide(self, *, identity: bool) -> TuningTargets:
        """What the losses compare with: the same six patches in every frame, and one face.

        Args:
            identity: Whether the identity loss takes part.
        """
        frames = self.setting.frames
        guided = self._identity() if identity else None
        return TuningTargets(list(range(frames)), self.latents, [self.patches] * frames, guided)

    @contextmanager
    def adapters(self) -> Iterator[Lora]:
        """Put StrucBooth's adapters in, and switch on what the setting asks of the denoiser, for a ``with`` block."""
        denoiser, targets = self.generator.denoiser, self.generator.lora_targets
        with injected_lora(denoiser, targets, rank=self.config.rank, seed=self.setting.seed) as lora:
            if self.setting.checkpointing:
                denoiser.enable_gradient_checkpointing()
            yield lora

    def about(self, lora: Lora) -> dict[str, Any]:
        """What was tuned, as plain data.

        Args:
            lora: The adapters, in place.
        """
        layers = [module for module in self.generator.denoiser.modules() if isinstance(module, LoraLayer)]
        parameters = sum(one.numel() for one in lora.parameters)
        identity = sum(one.numel() for one in self._embedder.parameters())
        more = {"LoRA": lora.parameters, "identity network": self._embedder.parameters()}
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

    def _identity(self) -> IdentityTarget:
        own, _ = face_landmarks(self.setting.side)
        with torch.no_grad():
            reference = self._embedder.embed(face_render(self.setting.side).to(self.generator.place), [own])
        return IdentityTarget(self._embedder, reference, own[None].repeat(self.setting.frames, axis=0))
