"""One case for people who want the picture: the generator's own output and the tuned one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import ConfigError, OneCaseError
from ..datasets.clip import Clip
from ..faces.base import LANDMARKS
from ..methods.base import Animation, Generator, RegionTuner
from ..methods.tuned_method import TunedMethod, is_region_tuner
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
    if not is_region_tuner(method.tuner):
        raise ConfigError(f"{asked[0]}: method {method.tuner.name} has neither regions nor weights to save")
    expand(names, method.tuner)
    return method


def expand(names: Sequence[str], tuner: RegionTuner) -> dict[str, str]:
    """The tuner's own regions, each with the name a person gave for it.

    Raises:
        ConfigError: When a name is unknown, or two of them share a region.
    """
    expanded: dict[str, str] = {}
    for name in names:
        if name not in tuner.regions:
            raise ConfigError(f"--region {name}: unknown region (known: {', '.join(tuner.regions)})")
        for region in tuner.regions[name]:
            if region in expanded:
                raise ConfigError(f"--region {name}: {region} is given twice, {expanded[region]} covers it too")
            expanded[region] = name
    return expanded


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
    with limit_threads(session.config.threads), failing_alone():
        if isinstance(method, TunedMethod):
            return _tuned(session, method, case, save, tell)
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


def _tuned(session: Session, method: TunedMethod, case: SingleCase, save: Path | None, tell: Tell) -> Animated:
    generator, tuner, inputs = method.generator, method.tuner, case.inputs
    _require_faces(session, case.sources)
    tell(f"sample {generator.name}")
    conditions = generator.condition(inputs)
    base = _in_time(generator.sample(conditions, seed=inputs.seed), case)
    with method.watched():
        tell(f"tune ({tuner.name})")
        if not is_region_tuner(tuner):
            with tuner.tune(generator, conditions, inputs) as tuned:
                tell("sample tuned")
                return Animated(base, _in_time(tuned.sample(conditions, seed=inputs.seed), case))
        sources = {region: case.sources[name] for region, name in expand(list(case.sources), tuner).items()}
        with tuner.tune(generator, conditions, inputs, sources=sources) as savable:
            if save is not None:
                savable.save(save.parent, save.stem)
            tell("sample tuned")
            return Animated(base, _in_time(savable.sample(conditions, seed=inputs.seed), case))


def _require_faces(session: Session, sources: Mapping[str, Clip]) -> None:
    """A region clip without a face would leave its region as it is, and nobody would know.

    Raises:
        OneCaseError: Naming the first such clip.
    """
    observer = session.observer
    for name, clip in sources.items():
        if LANDMARKS in observer.provides and not observer.observe(clip, [LANDMARKS]).found.any():
            raise OneCaseError(f"--region {name}: {observer.detector.info.name} finds no face in any of its frames")
