"""One case for people who want the picture: files in, the generator's own output and the tuned one out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from ..core.digest import seed_for
from ..core.errors import CaseError, ConfigError, OneCaseError, one_line
from ..datasets.clip import Clip
from ..datasets.framing import frame_file
from ..datasets.manifest import Crop
from ..datasets.media import probe
from ..faces.base import LANDMARKS
from ..methods.base import Animation, Generator, Inputs, RegionTuner
from ..methods.tuned import TunedMethod, is_region_tuner
from .generate import check_animation
from .session import Session
from .threads import limit_threads

DEFAULT_SIZE = 512
"""Side of the canvas for generators that take any size."""

Tell = Callable[[str], None]
"""Called with the name of each phase as it begins."""


@dataclass(frozen=True)
class CaseFiles:
    """What a person gives.

    Attributes:
        identity: An image; of a video, the first frame.
        driving: An image or a video.
        regions: Files by region name: whose expression these regions take on.
        crops: Squares of "identity" and "driving"; the largest centred one where there is none.
        size: Side of the canvas in pixels; None takes the generator's.
        fps: Most frames a second of the driving clip.
        frames: Most frames of it, from its beginning.
    """

    identity: Path
    driving: Path
    regions: Mapping[str, Path] = field(default_factory=dict)
    crops: Mapping[str, Crop] = field(default_factory=dict)
    size: int | None = None
    fps: Fraction | None = None
    frames: int | None = None


@dataclass(frozen=True, eq=False)
class SingleCase:
    """A case that belongs to no suite.

    Attributes:
        inputs: What the method is given.
        sources: The region clips by the names a person gave them, with the driving clip's frame rate.
        driving_frames: Frames of the driving clip before it was cut to the limit, at its frame rate here.
    """

    inputs: Inputs
    sources: Mapping[str, Clip]
    driving_frames: int


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


def parse_regions(texts: Sequence[str]) -> dict[str, Path]:
    """Read ``--region`` flags, NAME=FILE.

    Raises:
        ConfigError: When one is malformed or a name stands twice.
    """
    regions: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or not name or not file:
            raise ConfigError(f"--region {text!r}: write NAME=FILE, like mouth=smile.png")
        if name in regions:
            raise ConfigError(f"--region {name}: given twice")
        regions[name] = Path(file)
    return regions


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


def read_case(files: CaseFiles, method: Generator, seed: int) -> SingleCase:
    """Read the files onto one canvas, framed as suites frame theirs; region clips follow the driving clip's time.

    Raises:
        OneCaseError: When a file is missing, cannot be decoded, or is smaller than its crop.
    """
    size = files.size or getattr(method, "frame_size", None) or DEFAULT_SIZE
    with _failing():
        identity = frame_file(files.identity, size, crop=files.crops.get("identity"), frames=1)
        header = probe(files.driving)
        fps = min(header.fps, files.fps) if header.fps and files.fps else None
        crop = files.crops.get("driving")
        driving = frame_file(files.driving, size, crop=crop, fps=fps, frames=files.frames)
        # As many frames as at_rate would give of the whole file.
        count = ceil((header.frames - Fraction(1, 2)) * driving.fps / header.fps) if header.fps else 1
        sources = {
            name: frame_file(path, size, fps=driving.fps, frames=len(driving)) for name, path in files.regions.items()
        }
    case_id = f"{files.identity.stem}__{files.driving.stem}"
    return SingleCase(Inputs(case_id, identity, driving, seed_for(seed, "animate")), sources, count)


def animate(
    session: Session, method: Generator, case: SingleCase, *, save: Path | None = None, tell: Tell = lambda _: None
) -> Animated:
    """Make the case's pictures.

    Args:
        session: Lends face models; its ``progress`` is told the tuner's steps.
        method: From :func:`check_method`.
        case: From :func:`read_case`.
        save: File for the tuned weights, ending in ``.safetensors``.
        tell: Told of each phase.

    Raises:
        OneCaseError: When the method cannot finish the case.
        ConfigError: When an option of the method does not fit.
    """
    with limit_threads(session.config.threads), _failing():
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
    tell(f"sample {generator.name}")
    conditions = generator.condition(inputs)
    base = _in_time(generator.sample(conditions, seed=inputs.seed), case)
    with method.watched():
        tell(f"tune ({tuner.name})")
        if not is_region_tuner(tuner):
            with tuner.tune(generator, conditions, inputs) as tuned:
                tell("sample tuned")
                return Animated(base, _in_time(tuned.sample(conditions, seed=inputs.seed), case))
        _require_faces(session, case.sources)
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


@contextmanager
def _failing() -> Iterator[None]:
    """What would be a row of a run is the end of a single case.

    Raises:
        OneCaseError: In place of any CaseError.
    """
    try:
        yield
    except CaseError as error:
        raise OneCaseError(one_line(error)) from error
