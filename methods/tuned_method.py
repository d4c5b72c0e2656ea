"""A tuner on top of a generator, as one method: condition once, tune, sample, and prove that nothing stuck."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..core.errors import ConfigError
from ..faces.base import Grade
from . import METHODS
from .base import Animation, DiffusionGenerator, Generator, Inputs, Tuner
from .guides import expand_guides
from .phases import Phases


class TunedMethod(Generator):
    """Makes one generator of a diffusion generator and a tuner.

    Args:
        generator: The baseline.
        tuner: Improves it, case by case.

    Attributes:
        generator: The baseline.
        tuner: The tuner.

    Raises:
        ConfigError: When the baseline does not open what a tuner needs.
    """

    generator: DiffusionGenerator
    tuner: Tuner

    def __init__(self, generator: Generator, tuner: Tuner) -> None:
        self.precedence = tuner.precedence
        if not isinstance(generator, DiffusionGenerator):
            raise ConfigError(
                f"method {tuner.name} tunes diffusion generators; the baseline {generator.name} is none "
                "(bench methods list tells which are)"
            )
        self.generator = generator
        self.tuner = tuner
        self.name = f"{generator.name}+{tuner.name}"
        self.frame_size = generator.frame_size

    def fingerprint(self) -> Mapping[str, Any]:
        """The generator's, and the tuner's for this generator."""
        return {
            "generator": self.generator.fingerprint(),
            "tuner": self.tuner.fingerprint_for(self.generator),
        }

    @property
    def grade(self) -> Grade:  # type: ignore[override]
        """The generator's."""
        return self.generator.grade

    @property
    def settings(self) -> Mapping[str, Any]:  # type: ignore[override]
        """The tuner's for this generator; the generator's stand in its own row."""
        return self.tuner.settings_for(self.generator)

    def require_cases(self, case_ids: Collection[str]) -> None:
        """See that the generator has something to do, and the tuner all it needs, before a run begins.

        Raises:
            ConfigError: When one has not.
        """
        self.generator.require_cases(case_ids)
        self.tuner.require_parts(self.generator)

    def check_guides(self, names: Iterable[str], *, word: str = "guide") -> None:
        """See that the tuner knows these regions, which were given under the name ``word``.

        Raises:
            ConfigError: In one line, when it does not.
        """
        expand_guides(dict.fromkeys(names), self.tuner.regions, f"method {self.tuner.name}", word=word)

    def animate(self, inputs: Inputs, *, base: Animation | None = None) -> Animation:
        """Tune the generator for this case and sample from it.

        The detail also says whether ``base`` was of use, and what conditions and sampling took.

        Args:
            inputs: The case.
            base: What the generator made of the same case with the same seed, as it was kept; None when it is not
                there. It spares a sampling, and changes nothing in the result.

        Raises:
            ConfigError: When there are guides for regions that the tuner does not know.
            RuntimeError: When the tuner leaves the generator changed: every later case would be wrong.
        """
        self.check_guides(inputs.guides)
        phases = Phases()
        with phases.measure("condition"):
            conditions = self.generator.condition(inputs)
            known = base if base is not None and self.generator.resume(conditions, base) else None
        with self.watched(), self.tuner.tune(self.generator, conditions, inputs, base=known) as tuned:
            with phases.measure("sample"):
                animation = tuned.sample(conditions, seed=inputs.seed)
            phases.count("sample", int(animation.detail.get("sampling_steps", 0)))
            facts = {"base_shared": int(known is not None), **phases.detail}
            return replace(animation, detail={**animation.detail, **facts})

    @contextmanager
    def watched(self) -> Iterator[None]:
        """See that what happens inside the block leaves the generator bit-exactly as it was.

        Raises:
            RuntimeError: When it does not.
        """
        before = self.generator.probe()
        try:
            yield
        finally:
            if self.generator.probe() != before:
                raise RuntimeError(f"tuner {self.tuner.name} left {self.generator.name} changed")


def is_tuner_class(name: str) -> bool:
    """Whether a registered method is a tuner, told from its class without making one."""
    made = METHODS.get(name)
    return isinstance(made, type) and issubclass(made, Tuner)
