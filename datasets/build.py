"""The user's own suite: a manifest made from folders of images and clips (paper, section 4.1)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from ..core.errors import ConfigError, MediaError
from ..core.files import printable, user_path, write_text
from ..core.options import first_problem
from .assets import content_files, content_sha256, is_hub_link
from .clip import Clip
from .manifest import MANIFEST_SUFFIXES, Asset, Crop, NamedWindow, SelfClip, Suite, SuiteKind
from .media import Limits, probe
from .naming import stable_id
from .timeline import Timeline, read_timeline, sampled


@dataclass(frozen=True)
class Framing:
    """A square for a clip, and what is to be said about how it was chosen."""

    crop: Crop
    note: str = ""


CropOf = Callable[[Clip], Framing | Crop | None]
"""Chooses the square of a few frames as they are shown; None where there is nothing to centre on."""

SECONDS = Fraction(3)
"""Length of the windows of clips that the paper takes."""
IDENTITY_SECONDS = Fraction(1)
"""Beginning of a self clip that does not drive."""
MIN_SIDE = 8


@dataclass(frozen=True)
class BuildSpec:
    """What to build.

    Attributes:
        kind: Which benchmark.
        drivings: Folder of driving images or clips; for self-video, of the clips.
        identities: Folder of identity images; None for self-video.
        out: The manifest to write, .yaml or .json. Media below its folder are named relative to it, others by the
            absolute path of their folder.
        name: Name of the suite.
        licence: By what right the files are used.
        provenance: Where they come from, and whether the people shown consented.
        size: Side of the canvas in pixels.
        start: Where the windows of clips begin, in seconds.
        seconds: How long they are at most; self clips must last that long.
    """

    kind: SuiteKind
    drivings: Path
    identities: Path | None
    out: Path
    name: str
    licence: str
    provenance: str
    size: int = 512
    start: Fraction = Fraction(0)
    seconds: Fraction = SECONDS


@dataclass
class BuildReport:
    """The suite that was written, one line for each file that could not be used, by its path, and notes on others."""

    suite: Suite
    skipped: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def build_suite(
    spec: BuildSpec, *, crop_of: CropOf | None = None, force: bool = False, limits: Limits | None = None
) -> BuildReport:
    """Make a manifest from folders. Every file is decoded as far as its window goes.

    Driving clips give their first 3 seconds (``start``, ``seconds``), by their timestamps. Self clips need them all:
    their first frame is the identity, and what follows the first second are the driving frames.

    Args:
        spec: What to build.
        crop_of: Chooses the crops; files for which it returns None are left out. Without it no crops are written,
            which stands for the largest centred square.
        force: Replace an existing manifest.
        limits: Bounds on the files.

    Returns:
        The suite and what was left out.

    Raises:
        ConfigError: When folders do not fit the kind, the manifest exists, no file is usable, or two files of a folder
            would have the same id.
    """
    spec = _checked(spec, force)
    builder = _Builder(spec, crop_of, limits or Limits())
    components: dict[str, list[Any]] = {}
    if spec.identities is not None:
        components["identities"] = builder.read_folder(spec.identities, "image", "identities")
        media: Literal["image", "video"] = "image" if spec.kind is SuiteKind.CROSS_IMAGE else "video"
        components["drivings"] = builder.read_folder(spec.drivings, media, "drivings")
    else:
        components["clips"] = builder.read_folder(spec.drivings, "video", "clips")
    suite = _validated(spec, builder, components)
    plain = suite.model_dump(mode="json", by_alias=True, exclude_none=True)
    plain = {key: value for key, value in plain.items() if value}
    if spec.out.suffix == ".json":
        write_text(spec.out, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    else:
        write_text(spec.out, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    return BuildReport(suite, builder.skipped, builder.all_notes())


def _checked(spec: BuildSpec, force: bool) -> BuildSpec:
    """The specification with home folders filled in, once it is seen to fit.

    Raises:
        ConfigError: When it does not, before any file is read.
    """
    if (spec.identities is None) != (spec.kind is SuiteKind.SELF_VIDEO):
        raise ConfigError(f"a {spec.kind} suite takes {'no' if spec.identities else 'a'} folder of identities")
    if spec.start < 0 or spec.seconds <= (IDENTITY_SECONDS if spec.kind is SuiteKind.SELF_VIDEO else 0):
        raise ConfigError("start must not be negative, and a window must last (self-video: longer than 1 second)")
    try:
        out, drivings = user_path(spec.out), user_path(spec.drivings)
        identities = None if spec.identities is None else user_path(spec.identities)
        for folder in (out.parent, drivings, identities):
            user_path((folder or out.parent).absolute())
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if out.suffix not in MANIFEST_SUFFIXES:
        raise ConfigError(f"{out}: a manifest ends in {', '.join(MANIFEST_SUFFIXES)}")
    if out.is_dir() or (out.exists() and not force):
        raise ConfigError(f"{out} exists already: choose another name or force it")
    existing = next(parent for parent in (out.parent, *out.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ConfigError(f"{out}: nothing can be written into {existing}: choose another place for the manifest")
    return BuildSpec(
        spec.kind,
        drivings,
        identities,
        out,
        spec.name,
        spec.licence,
        spec.provenance,
        spec.size,
        spec.start,
        spec.seconds,
    )


class _Builder:
    """Collects assets and windows."""

    def __init__(self, spec: BuildSpec, crop_of: CropOf | None, limits: Limits) -> None:
        self.spec = spec
        self.crop_of = crop_of
        self.limits = limits
        self.assets: dict[str, Asset] = {}
        self.roots: dict[str, str] = {}
        self.skipped: dict[Path, str] = {}
        self._notes: list[str] = []
        self._longer = 0

    def all_notes(self) -> list[str]:
        """What a person should know of the files that were taken."""
        if not self._longer:
            return self._notes
        start, end = float(self.spec.start), float(self.spec.start + self.spec.seconds)
        cut = f"{self._longer} clips go on: only seconds {start:g} to {end:g} are used (--start, --seconds)"
        return [*self._notes, cut]

    def read_folder(self, folder: Path, media: Literal["image", "video"], role: str) -> list[NamedWindow | SelfClip]:
        """Windows of all usable files of a folder, in the order of their names."""
        if not folder.is_dir():
            raise ConfigError(f"folder {folder} does not exist")
        windows = []
        owners: dict[str, Path] = {}
        for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
            if path.name.startswith("."):
                continue
            try:
                windows.append(self._read_file(path, media, role, owners))
            except MediaError as error:
                self.skipped[path] = str(error)
        if not windows:
            reason = next((text for path, text in self.skipped.items() if path.parent == folder), "it is empty")
            raise ConfigError(f"folder {folder} has no usable {media}: {reason}")
        return windows

    def _read_file(
        self, path: Path, media: Literal["image", "video"], role: str, owners: dict[str, Path]
    ) -> NamedWindow | SelfClip:
        try:
            user_path(path)
        except ValueError as error:
            raise MediaError(str(error)) from error
        info = probe(path, self.limits)
        if info.kind != media:
            raise MediaError(f"{path}: is {_article(info.kind)}, and {_article(media)} is wanted here")
        if min(info.width, info.height) < MIN_SIDE:
            raise MediaError(f"{path}: {info.width} x {info.height} pixels is too small for a face")
        end = self.spec.start + self.spec.seconds if media == "video" else None
        timeline = read_timeline(path, info, seconds=end, limits=self.limits)
        start, frames = self._window(path, timeline)
        crop = self._crop(path, start, frames)
        # Last, so that files that are left out take no id.
        window_id = stable_id(path)
        other = owners.setdefault(window_id.lower(), path)
        if other != path:
            raise ConfigError(
                f"{other.name} and {path.name} in {path.parent} would have the same id: rename one of them"
            )
        asset_id = self._add_asset(path, media, role, window_id)
        self._notes.extend(f"{path.name}: {note}" for note in info.notes)
        self._longer += end is not None and timeline.index_at(end) < timeline.frames
        if self.spec.kind is SuiteKind.SELF_VIDEO:
            driving = self._driving_frames(timeline, start, frames)
            return SelfClip(
                id=window_id,
                asset=asset_id,
                identity_frame=start,
                start=start + frames - driving,
                frames=driving,
                crop=crop,
            )
        return NamedWindow(id=window_id, asset=asset_id, start=start, frames=frames, crop=crop)

    def _window(self, path: Path, timeline: Timeline) -> tuple[int, int]:
        """First frame and number of frames."""
        info, spec = timeline.info, self.spec
        if info.fps is None:
            return 0, 1
        start, end = timeline.index_at(spec.start), timeline.index_at(spec.start + spec.seconds)
        lasts = f"{path}: lasts {float(timeline.seconds):.1f} s, and "
        if spec.kind is SuiteKind.SELF_VIDEO:
            whole = round((spec.start + spec.seconds) * info.fps)
            is_short = timeline.complete and (
                timeline.seconds < spec.start + spec.seconds if info.variable_frame_rate else timeline.frames < whole
            )
            if is_short:
                raise MediaError(f"{lasts}{float(spec.start + spec.seconds):g} s are needed: give a longer clip")
        if start >= end:
            raise MediaError(f"{lasts}the window begins at {float(spec.start):g} s: give a longer clip")
        return start, end - start

    def _driving_frames(self, timeline: Timeline, start: int, frames: int) -> int:
        info, wanted = timeline.info, self.spec.seconds - IDENTITY_SECONDS
        if info.variable_frame_rate or info.fps is None:
            return start + frames - timeline.index_at(self.spec.start + IDENTITY_SECONDS)
        return min(frames - 1, round(wanted * info.fps))

    def _crop(self, path: Path, start: int, frames: int) -> Crop | None:
        if self.crop_of is None:
            return None
        found = self.crop_of(sampled(path, start, frames, self.limits))
        if found is None:
            raise MediaError(f"{path}: no face was found to centre the crop on")
        if isinstance(found, Crop):
            return found
        if found.note:
            self._notes.append(f"{path.name}: {found.note}")
        return found.crop

    def _add_asset(self, path: Path, media: Literal["image", "video"], role: str, window_id: str) -> str:
        root, relative = self._place(path, role)
        asset = Asset(
            path=relative,
            root=root,
            sha256=content_sha256(path),
            bytes=sum(file.stat().st_size for file in content_files(path)),
            media=media,
            licence=self.spec.licence,
            provenance=self.spec.provenance,
        )
        same = (known for known, other in self.assets.items() if other == asset)
        if shared := next(same, None):
            return shared
        taken = {name.lower() for name in self.assets}
        asset_id, number = window_id, 1
        while asset_id.lower() in taken:
            asset_id, number = f"{window_id}.{role[:3]}{number}", number + 1
        self.assets[asset_id] = asset
        return asset_id

    def _place(self, path: Path, role: str) -> tuple[str | None, str]:
        """How the manifest names a file: relative to its own folder, else by the absolute folder it really lies in."""
        home = self.spec.out.parent
        relative = Path(os.path.relpath(path.absolute(), home.absolute()))
        inside = ".." not in relative.parts
        if inside and (path.resolve().is_relative_to(home.resolve()) or is_hub_link(home, relative.as_posix())):
            return None, relative.as_posix()
        target = path.resolve()
        try:
            user_path(target)
        except ValueError as error:
            raise MediaError(f"{printable(path)}: is a link: {error}") from error
        folder = str(target.parent)
        names = {known: name for name, known in self.roots.items()}
        if folder not in names:
            name = role if role not in self.roots else f"{role}-{len(self.roots) + 1}"
            self.roots[name] = folder
            names[folder] = name
        return names[folder], target.name


def _validated(spec: BuildSpec, builder: _Builder, components: dict[str, list[Any]]) -> Suite:
    try:
        return Suite(
            schema=1,
            name=spec.name,
            title=spec.name,
            kind=spec.kind,
            size=spec.size,
            roots=builder.roots,
            assets=builder.assets,
            **components,
        )
    except ValidationError as error:
        field, message = first_problem(error)
        raise ConfigError(f"{field or 'suite'}: {message}") from error


def _article(media: str) -> str:
    return "an image" if media == "image" else "a video"
