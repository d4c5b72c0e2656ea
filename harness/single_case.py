"""A case from a person's own files: no suite, no manifest, framed as suites frame theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from ..core.digest import seed_for
from ..core.errors import CaseError, ConfigError, OneCaseError, one_line
from ..core.options import given_path
from ..datasets.framing import frame_file, frames_at_rate
from ..datasets.manifest import Crop
from ..datasets.media import probe
from ..methods.base import Generator, Inputs

DEFAULT_SIZE = 512
"""Side of the canvas for generators that take any size."""


Choose = Callable[[Path], Crop | None]
"""Chooses a file's square; None takes the largest centred one."""


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
        inputs: What the method is given; guides are by the names that a person gave, in the driving clip's time.
        driving_frames: Frames of the driving clip before it was cut to the limit, at its frame rate here.
    """

    inputs: Inputs
    driving_frames: int


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
        regions[name] = given_path(file)
    return regions


def read_case(files: CaseFiles, method: Generator, seed: int, choose: Choose = lambda _: None) -> SingleCase:
    """Read the files onto one canvas, framed as suites frame theirs; region clips follow the driving clip's time.

    Args:
        files: What a person gives.
        method: Whose canvas it is.
        seed: Seed of the case.
        choose: Chooses the squares of files for which none is given.

    Raises:
        OneCaseError: When a file is missing, cannot be decoded, or is smaller than its crop.
    """
    size = files.size or method.frame_size or DEFAULT_SIZE
    with failing_alone():
        crop = files.crops.get("identity") or choose(files.identity)
        identity = frame_file(files.identity, size, crop=crop, frames=1)
        header = probe(files.driving)
        fps = min(header.fps, files.fps) if header.fps and files.fps else None
        crop = files.crops.get("driving") or choose(files.driving)
        driving = frame_file(files.driving, size, crop=crop, fps=fps, frames=files.frames)
        count = frames_at_rate(header, fps)
        guides = {
            name: frame_file(path, size, crop=choose(path), fps=driving.fps, frames=len(driving))
            for name, path in files.regions.items()
        }
    case_id = f"{files.identity.stem}__{files.driving.stem}"
    return SingleCase(Inputs(case_id, identity, driving, seed_for(seed, "animate"), guides), count)


@contextmanager
def failing_alone() -> Iterator[None]:
    """What would be a row of a run is the end of a single case.

    Raises:
        OneCaseError: In place of any CaseError.
    """
    try:
        yield
    except CaseError as error:
        raise OneCaseError(one_line(error)) from error
