"""StrucBooth itself: a case's settings and guides, and the tuning loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ...core.digest import file_sha256, seed_for
from ...core.errors import ConfigError, DivergedError
from ...core.options import parse_options
from ...core.weights import content_digest
from ...datasets.clip import Clip
from ...faces.base import LANDMARKS, DifferentiableEmbedder, HasDifferentiableEmbedder
from ...faces.observer import Observer
from ..base import Animation, DiffusionGenerator, Inputs, MethodContext, Tuner
from ..guides import expand_guides
from ..lora import Lora, injected_lora, unchanged
from ..outputs import Outputs
from ..phases import Phases
from ..recompute import recompute
from ..sweeps import Sweep
from .ablation import SWEEPS
from .config import OWNER, StrucBoothConfig
from .gradients import gray_levels
from .identity_loss import embedder_source, find_embedder
from .loss_trace import Trace
from .objective import Losses, TuningObjective, read
from .optimizer import make_optimizer
from .regions import REGION_NAMES
from .snapshots import FOLDER, Snapshot, Snapshots, tuning_key
from .targets import TuningTargets, prepare
from .tuned_generator import Tuned

CODE_VERSION = 2
_READ_EVERY = {"cuda": 10}
"""By kind of device: after how many steps losses are read. Until then steps follow each other without a wait; a loss
that is not finite is seen so much later, and the case fails as it would have."""


class StrucBooth(Tuner):
    """Tunes LoRA layers of a diffusion generator for one case.

    Args:
        options: See :class:`StrucBoothConfig`. What they leave open is decided by the generator's ``tuner_defaults``,
            then by the paper.
        context: Lends the face models.
    """

    name = "strucbooth"
    options_model = StrucBoothConfig
    regions: Mapping[str, tuple[str, ...]] = REGION_NAMES
    sweeps: Mapping[str, Sweep] = SWEEPS

    def __init__(self, options: Mapping[str, Any], context: MethodContext) -> None:
        self._options = dict(options)
        self._context = context
        self._own = parse_options(StrucBoothConfig, options, OWNER)
        self._embedders: dict[Path | None, DifferentiableEmbedder] = {}

        if self._own.reuse:
            self.precedence = self._own.steps  # of rows that share a tuning the longest goes first

    def fingerprint(self) -> Mapping[str, Any]:
        """Code version, options, and the face models that guide the tuning."""
        return {"name": self.name, "code": CODE_VERSION, "options": self._given, **self._guides_fingerprint}

    @property
    def _given(self) -> Mapping[str, Any]:
        """Only what the user gave: the rest is decided by the generator, see :meth:`settings_for`."""
        own, paths = self._own, {"identity_model", "guides", "save"}
        return own.model_dump(mode="json", include=own.model_fields_set - paths)

    @cached_property
    def _guides_fingerprint(self) -> Mapping[str, Any]:
        own = self._own
        guides = sorted(file_sha256(path) for path in own.guides.glob("*.*")) if own.guides else []
        return {"guides": guides, "faces": self._guiding_models(own)}

    def config_for(self, generator: DiffusionGenerator) -> StrucBoothConfig:
        """The settings for a generator: the user's, else the generator's, else the defaults.

        Raises:
            ConfigError: When they do not fit together.
        """
        merged = {**generator.tuner_defaults.get(self.name, {}), **self._options}
        return parse_options(StrucBoothConfig, merged, OWNER)

    def settings_for(self, generator: DiffusionGenerator) -> Mapping[str, Any]:
        """All settings in effect for a generator, as plain data."""
        config = self.config_for(generator)
        return config.model_dump(mode="json") | {"lora_targets": config.lora_targets or generator.lora_targets}

    def fingerprint_for(self, generator: DiffusionGenerator) -> Mapping[str, Any]:
        """The settings in effect instead of those given; files count by their content, wherever they lie."""
        paths = {"identity_model", "guides", "save"}
        settings = {name: value for name, value in self.settings_for(generator).items() if name not in paths}
        return {**self.fingerprint(), "options": settings}

    def require_parts(self, generator: DiffusionGenerator) -> None:
        """See that landmarks, the identity network and the decoding that the settings ask for can be had.

        Raises:
            ConfigError: When one cannot.
        """
        config, observer = self.config_for(generator), self._observer
        if config.identity_weight > 0:
            embedder_source(config.identity_model, observer)
        if config.decoding == "tiled" and not generator.has_tiled_decoding:
            raise ConfigError(f"{OWNER}: the decoder of {generator.name} has no tiled decoding: decoding=global")

    @contextmanager
    def tune(
        self, generator: DiffusionGenerator, conditions: Any, inputs: Inputs, *, base: Animation | None = None
    ) -> Iterator[Tuned]:
        """Tune within a ``with`` block; on leaving it, also by an exception, the generator is bit-exactly itself.

        Args:
            generator: What to tune.
            conditions: What it computed from the case.
            inputs: The case; its guides may name any of :attr:`regions`.
            base: The generator's own output for this case and seed, which is the PGT; None samples it.

        Yields:
            The tuned generator.

        Raises:
            NoFaceError: When there is no face to align.
            MissingOutputError: When the folder of guides has none for this case.
            DivergedError: When a loss is not finite or far above where it can be.
            ConfigError: When an option does not fit the generator.
        """
        config = self.config_for(generator)
        sources = self._sources(inputs, config)
        embedder = self._embedder(config.identity_model) if config.identity_weight > 0 else None
        kept = self._kept(generator, inputs, sources, config) if config.reuse else None
        found = kept.load_all(config.kept_steps) if kept else None
        phases, guide, seed = Phases(), None, seed_for(inputs.seed, self.name)
        look = partial(
            prepare, generator, conditions, inputs, config, self._observer, embedder=embedder, sources=sources
        )
        with phases.measure("pgt"):
            if found is None:
                guide = look(base=base)
            elif base is None:
                generator.prime(conditions, seed=inputs.seed)
        with _adapted(generator, conditions, config, seed) as lora:
            tuned, trace = Tuned(generator, lora, config), Trace()

            def train(guide: TuningTargets, seed: int) -> Snapshot:
                with phases.measure("tune"):
                    objective = TuningObjective(generator, conditions, guide, config, seed)
                    made = self._train(objective, lora, tuned, trace, kept)
                phases.count("tune", config.steps)
                return made

            last = train(guide, seed) if guide is not None else tuned.restore(found or {})
            for number in range(2, config.rounds + 1):
                with phases.measure("pgt"):
                    guide = look(base=tuned.sample(conditions, seed=inputs.seed))
                last = train(guide, seed_for(seed, f"round {number}"))
            tuned.detail = {
                "tuned_steps": config.steps * config.rounds,
                "patches": last.patches,
                "eps_gray_levels": round(gray_levels(config.eps), 3),
                **({"tuning_reused": int(found is not None)} if kept else {}),
                **phases.detail,
                **Trace(last.losses).detail(config.trace),
            }
            if config.save is not None:
                tuned.save(config.save, inputs.case_id)
            yield tuned

    def _sources(self, inputs: Inputs, config: StrucBoothConfig) -> Mapping[str, Clip]:
        """Clips by region that guide the case instead of its driving clip: its own, else those of the settings."""
        sources = expand_guides(inputs.guides, self.regions, OWNER)
        if not sources and config.guides is not None:
            guide_clip = Outputs({"dir": config.guides}, self._context).animate(inputs).clip
            sources = dict.fromkeys(config.regions, guide_clip)
        _check_sources(sources, config)
        return sources

    def _train(self, case: TuningObjective, lora: Lora, tuned: Tuned, trace: Trace, kept: Snapshots | None) -> Snapshot:
        """The loop: noise the PGT, predict, compare latents and pixels, step (section 3, eq. 8)."""
        parameters, config = lora.parameters, tuned.config
        optimizer = make_optimizer(parameters, config.learning_rate)

        def keep(step: int) -> None:
            tuned.keep(step)
            # Weights that are not finite are worth no file; the next step or the last check ends the case.
            if kept is not None and step in config.kept_steps and _are_finite(parameters):
                kept.save(step, Snapshot(lora.state(), case.patches, trace.values))

        keep(0)
        every = _READ_EVERY.get(self._context.device.partition(":")[0], 1)
        unread: list[Losses] = []
        for step in range(1, config.steps + 1):
            unread += [case.add_gradients(parameters) for _ in range(config.accumulate)]
            if step % every == 0 or step in config.kept_steps:
                self._note(unread, trace, step, config)
                unread = []
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            keep(step)
        if not _are_finite(parameters):
            raise DivergedError("the LoRA weights are not finite after the last step")
        return Snapshot(lora.state(), case.patches, trace.values)

    def _note(self, unread: list[Losses], trace: Trace, step: int, config: StrucBoothConfig) -> None:
        """Read the losses of the last steps, note them and tell of them.

        Raises:
            DivergedError: When one is not finite, or far above where it can be.
        """
        draws, own = read(unread), config.accumulate
        first = step - len(unread) // own + 1
        for index in range(first, step + 1):
            losses = trace.add(list(islice(draws, own)))
            if self._context.progress is not None:
                self._context.progress(index, config.steps, losses)

    def _kept(
        self, generator: DiffusionGenerator, inputs: Inputs, sources: Mapping[str, Clip], config: StrucBoothConfig
    ) -> Snapshots:
        """Where the cache keeps this tuning."""
        guided_by = [self.name, CODE_VERSION, self._context.device.partition(":")[0], *self._guiding_models(config)]
        key = tuning_key(generator, inputs, sources, config, guided_by)
        return Snapshots(self._context.cache / FOLDER, key)

    def _guiding_models(self, config: StrucBoothConfig) -> list[Any]:
        """The face models that a tuning depends on, as plain data."""
        observer, model = self._observer, config.identity_model
        embedders = [
            backend.info.key for backend in observer.backends if isinstance(backend, HasDifferentiableEmbedder)
        ]
        return [observer.key_for([LANDMARKS]), embedders, content_digest(model) if model and model.is_file() else None]

    @property
    def _observer(self) -> Observer:
        observer = self._context.observer
        if LANDMARKS not in observer.provides:
            raise ConfigError(f"{OWNER}: no face backend finds landmarks: add one with --faces")
        return observer

    def _embedder(self, model: Path | None) -> DifferentiableEmbedder:
        if model not in self._embedders:
            self._embedders[model] = find_embedder(model, self._observer)
        return self._embedders[model]


@contextmanager
def _adapted(generator: DiffusionGenerator, conditions: Any, config: StrucBoothConfig, seed: int) -> Iterator[Lora]:
    """The generator with LoRA layers in its denoiser, recomputed and compiled as the settings say, within the block.

    Raises:
        ConfigError: When the denoiser does not fit.
    """
    _refuse_half(generator.denoiser)
    targets = config.lora_targets or generator.lora_targets
    with injected_lora(generator.denoiser, targets, rank=config.rank, seed=seed) as lora, ExitStack() as compiled:
        if config.checkpointing:
            _recompute(generator.denoiser)
        for module in generator.denoising_modules(conditions) if config.compile else ():
            compiled.enter_context(unchanged(module))
            module.compile()
        yield lora


def _check_sources(sources: Mapping[str, Clip], config: StrucBoothConfig) -> None:
    """Refuse clips that would guide nothing.

    Raises:
        ConfigError: In one line that says why.
    """
    if idle := sorted(set(sources) - set(config.regions)):
        raise ConfigError(
            f"{OWNER}: there is a clip for {idle[0]}, which regions={'+'.join(config.regions)} leaves out"
        )
    if sources and config.gradient_weight == 0:
        raise ConfigError(f"{OWNER}: clips for single regions guide nothing with gradient_weight=0")


def _are_finite(parameters: list[torch.nn.Parameter]) -> bool:
    return bool(torch.stack([parameter.isfinite().all() for parameter in parameters]).all())  # one wait for all


def _refuse_half(denoiser: torch.nn.Module) -> None:
    """Refuse a denoiser in float16: small gradients become zero there, and nothing scales the loss.

    Raises:
        ConfigError: With the way out.
    """
    if any(parameter.dtype == torch.float16 for parameter in denoiser.parameters()):
        raise ConfigError(
            f"{OWNER}: the generator runs in fp16, where gradients vanish: give it precision=bf16 or fp32"
        )


def _recompute(denoiser: torch.nn.Module) -> None:
    """Let the denoiser compute activations again for the gradients; leaving the adapters' block undoes it.

    Raises:
        ConfigError: When it cannot.
    """
    switch = getattr(denoiser, "enable_gradient_checkpointing", None)
    if switch is None:
        raise ConfigError(f"{OWNER}: {type(denoiser).__name__} has no gradient checkpointing: checkpointing=false")
    switch(recompute)
