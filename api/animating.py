"""One case, for people who want the picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

from pydantic import Field, ValidationError

from .core.errors import ConfigError
from .core.files import NAME_BYTES, atomic_path
from .core.options import Options, UserPath, first_problem, given_path
from .datasets.clip import Clip
from .datasets.export import check_ending, check_length, export
from .datasets.manifest import Crop
from .datasets.media import probe
from .faces.base import Grade
from .harness.animate import Animated, check_method
from .harness.animate import animate as animate_case
from .harness.component import ComponentSpec
from .harness.config import RunConfig, check_config
from .harness.defaults import EMBEDDED, TUNER
from .harness.framing import Framer
from .harness.session import Session
from .harness.single_case import CaseFiles, SingleCase, read_case
from .methods.base import Animation
from .methods.tuned_method import is_tuner_class
from .running import AnyPath, Component

MOST_FRAMES = 250


def _same(field: str) -> str:
    """A run's field means the same here."""
    return RunConfig.model_fields[field].description or ""


class AnimateConfig(Options):
    """Everything that :func:`animate` can be told besides its files."""

    baseline: ComponentSpec = Field(
        default_factory=lambda: ComponentSpec(name=EMBEDDED), description="Generator: NAME or NAME:key=value,..."
    )
    method: ComponentSpec | None = Field(
        default_factory=lambda: ComponentSpec(name=TUNER), description="Tuner: NAME or NAME:key=value,..."
    )
    faces: list[ComponentSpec] = Field(
        default_factory=lambda: [ComponentSpec(name=EMBEDDED)],
        min_length=1,
        description="Face backend: NAME or NAME:key=value,...; the first that can do a thing does it.",
    )
    seed: int = Field(default=0, description="Same seed, same picture.")
    device: str = Field(default="auto", description=_same("device"))
    tf32: bool = Field(default=False, description=_same("tf32"))
    threads: int = Field(default=1, ge=1, le=256, description="Threads of the numeric libraries.")
    size: int | None = Field(
        default=None, ge=16, le=4096, description="Canvas in pixels. Default: the generator's own, or 512."
    )
    fps: float | None = Field(
        default=None, ge=0.1, le=1000, description="Most frames a second; those between are left out."
    )
    frames: int = Field(default=MOST_FRAMES, ge=1, description="Most frames of the driving clip, from its beginning.")
    regions: dict[str, UserPath] = Field(
        default={},
        description="NAME=FILE: this region takes its expression from another image or clip (PasteDrive); pose stays "
        "with the driving clip. eyes, brows, mouth, nose, or one eye or brow like left_eye (the person's own left). A "
        "clip that is too short holds its last frame.",
    )
    framing: str = Field(
        default="auto",
        description="Face backend that centres the squares as 'bench data build' does, or 'none' for the largest "
        "centred one. auto: dlib where it is installed, for pictures that are not square already.",
    )
    crop_identity: Crop | None = Field(
        default=None, description="X,Y,SIDE: the square to take, in pixels. Default: the largest centred one."
    )
    crop_drive: Crop | None = Field(
        default=None, description="X,Y,SIDE: the square to take, in pixels. Default: the largest centred one."
    )
    save_lora: UserPath | None = Field(default=None, description="Also keep the tuned weights, a .safetensors file.")
    plugins: list[UserPath] = Field(default=[], description=_same("plugins"))
    cache: UserPath | None = Field(default=None, description=_same("cache"))


class AnimateFields(TypedDict, total=False):
    """Keyword arguments of :func:`animate`: the fields of :class:`AnimateConfig`."""

    baseline: Component
    method: Component | None
    faces: Sequence[Component]
    seed: int
    device: str
    tf32: bool
    threads: int
    size: int
    fps: float
    frames: int
    regions: Mapping[str, AnyPath]
    framing: str
    crop_identity: Crop | Mapping[str, int]
    crop_drive: Crop | Mapping[str, int]
    save_lora: AnyPath
    plugins: Sequence[AnyPath]
    cache: AnyPath


class Listener(Protocol):
    """Whoever wants to be told how far a case is."""

    def phase(self, name: str) -> None:
        """A phase begins."""
        ...

    def step(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """The phase is at one of its steps, with its losses."""
        ...

    def note(self, text: str) -> None:
        """Something that a person should know before they wait."""
        ...


@dataclass(frozen=True, eq=False)
class AnimatedCase:
    """A case with what was made of it.

    Attributes:
        case: What was given, framed.
        animated: The generator's own output and the tuned one.
        labels: Names of the generator and of the tuned generator.
        grade: Whether the generator's pictures are a measurement.
        face_grades: Grades of the face models that guided the tuning, where they are not real ones.
    """

    case: SingleCase
    animated: Animated
    labels: Sequence[str]
    grade: Grade
    face_grades: Sequence[str]

    @property
    def clip(self) -> Clip:
        """What was asked for: uint8 frames (T, H, W, 3), a single one for a driving image."""
        return self.animated.result.clip

    @property
    def base(self) -> Animation:
        """The generator's own output."""
        return self.animated.base

    @property
    def tuned(self) -> Animation | None:
        """The tuned generator's output; None without a tuner."""
        return self.animated.tuned

    @property
    def detail(self) -> Mapping[str, float | int | str]:
        """Facts of the method: steps, losses, seconds."""
        return self.animated.result.detail

    def strip(self, path: AnyPath) -> None:
        """Write all pictures side by side, from what was given to what came out, as a .png."""
        from .reports.strip import draw_strip

        case = self.case
        parts = [("identity", case.inputs.identity), ("driving", case.inputs.driving), *case.inputs.guides.items()]
        if self.tuned is None:
            parts.append((self.labels[0], self.base.clip))
        else:
            tuner = self.labels[1].removeprefix(f"{self.labels[0]}+")
            parts += [(f"{self.labels[0]} (base)", self.base.clip), (f"+ {tuner}", self.tuned.clip)]
        with atomic_path(Path(path)) as temporary:
            draw_strip(parts, len(case.inputs.driving)).save(temporary, format="PNG")


def animate(
    identity: AnyPath,
    driving: AnyPath,
    *,
    out: AnyPath | None = None,
    strip: AnyPath | None = None,
    force: bool = False,
    progress: Listener | None = None,
    **fields: Unpack[AnimateFields],
) -> AnimatedCase:
    """Animate one identity image with one driving image or clip, tuned for this case.

    Args:
        identity: Whose face: an image.
        driving: Whose expression and pose: an image or a clip.
        out: File to write: .png or .jpg for a driving image, .mkv (lossless) or .mp4 for a clip.
        strip: File for all pictures side by side, a .png.
        force: Replace files that are there already.
        progress: Told how far it is.
        **fields: Fields of :class:`AnimateConfig`; ``method=None`` leaves the generator as it is.

    Returns:
        What was given and what was made of it.

    Raises:
        BenchError: In one line, when a file or field does not fit or the case cannot be finished; nothing is written.
    """
    config = _config(fields)
    out, strip = _path(out), _path(strip)
    written = {"--out": out, "--strip": strip, "--save-lora": config.save_lora}
    files = _files(given_path(identity), given_path(driving), config)
    _check_files(files, written, force=force)
    session = _session(config)
    made_by = check_method(session, list(files.regions), save=config.save_lora is not None)
    framer = Framer(config.framing, config.frames)
    case = read_case(files, made_by, config.seed, framer)
    if out is not None:
        check_length(out, len(case.inputs.driving))
    if progress is not None:
        session.progress = progress.step
        for note in [*framer.notes, *_reading_notes(files, case)]:
            progress.note(note)
    tell = progress.phase if progress else lambda _: None
    done = _graded(session, case, animate_case(session, made_by, case, save=config.save_lora, tell=tell))
    if out is not None:
        export(out, done.clip)
    if strip is not None:
        done.strip(strip)
    return done


def _graded(session: Session, case: SingleCase, animated: Animated) -> AnimatedCase:
    """What was made, with how far it is a measurement."""
    guides = session.observer.backends if animated.tuned is not None else []
    face_grades = sorted({str(backend.info.grade) for backend in guides} - {"real"})
    return AnimatedCase(case, animated, session.labels, session.method(session.labels[0]).grade, face_grades)


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else given_path(path)


def _config(fields: Mapping[str, Any]) -> AnimateConfig:
    try:
        return AnimateConfig.model_validate(dict(fields))
    except ValidationError as error:
        field, message = first_problem(error)
        raise ConfigError(f"animate: {field}: {message}") from error


def _files(identity: Path, driving: Path, config: AnimateConfig) -> CaseFiles:
    crops = {"identity": config.crop_identity, "driving": config.crop_drive}
    fps = None if config.fps is None else Fraction(config.fps).limit_denominator(1001)
    given = {name: crop for name, crop in crops.items() if crop}
    return CaseFiles(identity, driving, config.regions, given, config.size, fps, config.frames)


def _reading_notes(files: CaseFiles, case: SingleCase) -> list[str]:
    """What was done to show the files as a person would see them, and what of the driving clip is left out."""
    paths = [files.identity, files.driving, *files.regions.values()]
    notes = [f"{path.name}: {note}" for path in paths for note in probe(path).notes]
    if case.driving_frames > len(case.inputs.driving):
        notes.append(f"the first {files.frames} of {case.driving_frames} driving frames are taken (--frames)")
    return notes


def _session(config: AnimateConfig) -> Session:
    """A session of one generator, with a tuner on it unless there shall be none.

    Raises:
        ConfigError: When the fields do not fit together.
    """
    methods = [config.method] if config.method else []
    shared = {
        name: getattr(config, name) for name in ("baseline", "faces", "seed", "device", "tf32", "threads", "plugins")
    }
    session = Session(check_config(shared | {"cache": config.cache, "methods": methods}, "flags"))
    for spec in methods:
        if not is_tuner_class(spec.name):
            raise ConfigError(f"--method {spec.name}: is no tuner: write --baseline {spec.name} --no-tune")
    return session


def _check_files(files: CaseFiles, outputs: Mapping[str, Path | None], *, force: bool) -> None:
    """See that every output can be written where it shall go, before anything long begins.

    Args:
        files: What the case is read from.
        outputs: Files to write, by the flag that names them.
        force: Whether files that are there already may be replaced.

    Raises:
        ConfigError: Naming the flag of ``bench animate`` and the file.
    """
    inputs = {"--identity": files.identity, "--drive": files.driving}
    inputs |= {f"--region {name}": file for name, file in files.regions.items()}
    taken = {path.resolve(): flag for flag, path in inputs.items()}
    endings = {"--strip": ".png", "--save-lora": ".safetensors"}
    for flag, path in outputs.items():
        if path is None:
            continue
        if flag in endings and path.suffix != endings[flag]:
            raise ConfigError(f"{flag} {path}: must end in {endings[flag]}")
        if flag not in endings:
            check_ending(path)
        if len(os.fsencode(path.name)) > NAME_BYTES:
            raise ConfigError(f"{flag} {path.name[:40]}…: the name is longer than {NAME_BYTES} bytes: choose another")
        if not path.parent.is_dir():
            raise ConfigError(f"{flag} {path}: there is no folder {path.parent}: make it first")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise ConfigError(f"{flag} {path}: is a folder, or its folder cannot be written: choose another name")
        if other := taken.get(path.resolve()):
            raise ConfigError(f"{flag} {path}: is the file of {other} too: choose another name")
        taken[path.resolve()] = flag
    lost = [path for path in outputs.values() if path and path.exists()]
    if lost and not force:
        raise ConfigError(f"{', '.join(map(str, lost))}: there already: choose another name or say --force")
