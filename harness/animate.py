"""One case for people who want the picture: the generator's own output and the tuned one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import ConfigError
from ..datasets.clip import Clip
from ..methods.base import Animation, Generator
from ..methods.tuned_method import TunedMethod
from .arithmetic import using_arithmetic
from .session import Session
from .single_case import SingleCase, failing_alone
from .stages.generate import check_animation
from .threads import limit_threads

Tell = Callable[[str], None]
"""Called with the name of each phase as it begins."""


@dataclass(frozen=True, eq=False)
class Animated:
    """What was made of a case.

    Attributes:
        base: The generator's own output (the PGT, where it was tuned).
        tuned: The tuned generator's; None without a tuner.
    """

    base: Animation
    tuned: Animation | None

    @property
    def result(self) -> Animation:
        """What the person asked for."""
        return self.tuned or self.base


def check_method(session: Session, names: Sequence[str], *, save: bool = False) -> Generator:
    """Make the method and see that it can do what is asked for, before anything long begins.

    Args:
        session: Holds one baseline and at most one tuner.
        names: Region names as given.
        save: Whether the tuned weights are asked for.

    Raises:
        ConfigError: When it cannot.
    """
    method = session.method(session.labels[-1])
    asked = [flag for flag, given in (("--region", bool(names)), ("--save-lora", save)) if given]
    if not asked:
        return method
    if not isinstance(method, TunedMethod):
        raise ConfigError(f"{asked[0]}: only a tuner can do that, and none is asked for: leave out --no-tune")
    method.check_guides(names, word="--region")
    return method


def animate(
    session: Session, method: Generator, case: SingleCase, *, save: Path | None = None, tell: Tell = lambda _: None
) -> Animated:
    """Make the case's pictures.

    Args:
        session: Lends face models; its ``progress`` is told the tuner's steps.
        method: From :func:`check_method`.
        case: From :func:`.single_case.read_case`.
        save: File for the tuned weights, ending in ``.safetensors``.
        tell: Told of each phase.

    Raises:
        OneCaseError: When the method cannot finish the case.
        ConfigError: When an option of the method does not fit.
    """
    with limit_threads(session.config.threads), using_arithmetic(session.arithmetic), failing_alone():
        if isinstance(method, TunedMethod):
            return _tuned(method, case, save, tell)
        tell(f"animate ({method.name})")
        return Animated(_in_time(method.animate(case.inputs), case), None)


def _in_time(animation: Animation, case: SingleCase) -> Animation:
    """An animation with the driving clip's frame rate, once it is seen to have a frame for each of its frames.

    Raises:
        MediaError: When it has not.
    """
    driving = case.inputs.driving
    check_animation(animation, len(driving))
    return replace(animation, clip=Clip(animation.clip.frames, driving.fps))


def _tuned(method: TunedMethod, case: SingleCase, save: Path | None, tell: Tell) -> Animated:
    generator, tuner, inputs = method.generator, method.tuner, case.inputs
    tell(f"sample {generator.name}")
    conditions = generator.condition(inputs)
    base = _in_time(generator.sample(conditions, seed=inputs.seed), case)
    with method.watched():
        tell(f"tune ({tuner.name})")
        with tuner.tune(generator, conditions, inputs, base=base) as tuned:
            if save is not None:
                tuned.save(save.parent, save.stem)
            tell("sample tuned")
            return Animated(base, _in_time(tuned.sample(conditions, seed=inputs.seed), case))
