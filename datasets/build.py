"""The user's own suite: a manifest made from folders of images and clips (paper, section 4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import ValidationError

from ..core.digest import file_sha256
from ..core.errors import ConfigError, MediaError
from ..core.files import resolve_inside, write_text
from ..core.options import first_problem
from .clip import Clip
from .manifest import Asset, Crop, NamedWindow, SelfClip, Suite, SuiteKind
from .media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Limits, MediaInfo, iter_window, probe

CropOf = Callable[[Clip], Crop | None]
"""Chooses the square of a few frames at their stored size; None where there is nothing to centre on."""

SECONDS = 3
DRIVING_SECONDS = 2
MIN_SIDE = 8
_SAMPLES = 8


@dataclass(frozen=True)
class BuildSpec:
    """What to build.

    Attributes:
        kind: Which benchmark.
        drivings: Folder of driving images or clips; for self-video, of the clips.
        identities: Folder of identity images; None for self-video.
        out: The manifest to write. The folders must lie below its own, because asset paths never leave it.
        name: Name of the suite.
        licence: By what right the files are used.
        provenance: Where they come from, and whether the people shown consented.
        size: Side of the canvas in pixels.
    """

    kind: SuiteKind
    drivings: Path
    identities: Path | None
    out: Path
    name: str
    licence: str
    provenance: str
    size: int = 512


@dataclass
class BuildReport:
    """The suite that was written, and one line for each file that could not be used, by its path."""

    suite: Suite
    skipped: dict[Path, str] = field(default_factory=dict)


def build_suite(
    spec: BuildSpec, *, crop_of: CropOf | None = None, force: bool = False, limits: Limits | None = None
) -> BuildReport:
    """Make a manifest from folders.

    Driving clips give their first 3 seconds. Self clips need 3 seconds: their first frame is the identity, the last
    2 of the 3 seconds are the driving frames.

    Args:
        spec: What to build.
        crop_of: Chooses the crops; files for which it returns None are left out. Without it no crops are written,
            which stands for the largest centred square.
        force: Replace an existing manifest.
        limits: Bounds on the files.

    Returns:
        The suite and what was left out.

    Raises:
        ConfigError: When folders do not fit the kind, the manifest exists, or no file is usable.
    """
    if (spec.identities is None) != (spec.kind is SuiteKind.SELF_VIDEO):
        raise ConfigError(f"a {spec.kind} suite takes {'no' if spec.identities else 'a'} folder of identities")
    if spec.out.exists() and not force:
        raise ConfigError(f"{spec.out} exists already: choose another name or force it")
    builder = _Builder(spec, crop_of, limits or Limits())
    parts: dict[str, list[Any]] = {}
    if spec.identities is not None:
        parts["identities"] = builder.read_folder(spec.identities, "image")
        media: Literal["image", "video"] = "image" if spec.kind is SuiteKind.CROSS_IMAGE else "video"
        parts["drivings"] = builder.read_folder(spec.drivings, media)
    else:
        parts["clips"] = builder.read_folder(spec.drivings, "video")
    suite = _validated(spec, builder.assets, parts)
    plain = suite.model_dump(mode="json", by_alias=True, exclude_none=True)
    text = yaml.safe_dump({key: value for key, value in plain.items() if value}, sort_keys=False, allow_unicode=True)
    write_text(spec.out, text)
    return BuildReport(suite, builder.skipped)


class _Builder:
    """Collects assets and windows; ids are unique over the whole suite."""

    def __init__(self, spec: BuildSpec, crop_of: CropOf | None, limits: Limits) -> None:
        self.spec = spec
        self.crop_of = crop_of
        self.limits = limits
        self.assets: dict[str, Asset] = {}
        self.skipped: dict[Path, str] = {}

    def read_folder(self, folder: Path, media: Literal["image", "video"]) -> list[NamedWindow | SelfClip]:
        if not folder.is_dir():
            raise ConfigError(f"folder {folder} does not exist")
        windows = []
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            try:
                windows.append(self._read_file(path, media))
            except MediaError as error:
                self.skipped[path] = str(error)
        if not windows:
            reason = next((text for path, text in self.skipped.items() if path.parent == folder), "it is empty")
            raise ConfigError(f"folder {folder} has no usable {media}: {reason}")
        return windows

    def _read_file(self, path: Path, media: Literal["image", "video"]) -> NamedWindow | SelfClip:
        if path.suffix.lower() not in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
            raise MediaError(f"{path}: its suffix is none of an image or clip")
        info = probe(path, self.limits)
        if info.kind != media:
            raise MediaError(f"{path}: is {_article(info.kind)}, and {_article(media)} is wanted here")
        if min(info.width, info.height) < MIN_SIDE:
            raise MediaError(f"{path}: {info.width} x {info.height} pixels is too small for a face")
        frames = self._window_length(path, info)
        crop = self._crop(path, frames)
        # Last, so that files that are left out take no id.
        asset_id = self._add_asset(path, media)
        if self.spec.kind is SuiteKind.SELF_VIDEO and info.fps is not None:
            driving = round(DRIVING_SECONDS * info.fps)
            return SelfClip(
                id=asset_id, asset=asset_id, identity_frame=0, start=frames - driving, frames=driving, crop=crop
            )
        return NamedWindow(id=asset_id, asset=asset_id, frames=frames, crop=crop)

    def _window_length(self, path: Path, info: MediaInfo) -> int:
        if info.fps is None:
            return 1
        whole = round(SECONDS * info.fps)
        if self.spec.kind is SuiteKind.SELF_VIDEO and info.frames < whole:
            seconds = float(info.frames / info.fps)
            raise MediaError(f"{path}: lasts {seconds:.1f} s, and {SECONDS} s are needed: give a longer clip")
        return min(info.frames, whole)

    def _crop(self, path: Path, frames: int) -> Crop | None:
        if self.crop_of is None:
            return None
        wanted = set(np.linspace(0, frames - 1, _SAMPLES).round().astype(int).tolist())
        window = enumerate(iter_window(path, 0, frames, self.limits))
        crop = self.crop_of(Clip(np.stack([frame for index, frame in window if index in wanted])))
        if crop is None:
            raise MediaError(f"{path}: no face was found to centre the crop on")
        return crop

    def _add_asset(self, path: Path, media: Literal["image", "video"]) -> str:
        root = self.spec.out.parent
        try:
            relative = path.resolve().relative_to(root.resolve()).as_posix()
            resolve_inside(root, relative)
        except ValueError as error:
            raise ConfigError(f"{path} is not below {root}: write the manifest to a folder above the media") from error
        asset_id = unique_id(path.stem, self.assets)
        self.assets[asset_id] = Asset(
            path=relative,
            sha256=file_sha256(path),
            bytes=path.stat().st_size,
            media=media,
            licence=self.spec.licence,
            provenance=self.spec.provenance,
        )
        return asset_id


def unique_id(stem: str, taken: dict[str, Any]) -> str:
    """Make an id from a file name: safe characters only, and different from all others, also in lower case.

    >>> unique_id("Ann (1)", {}), unique_id("ann", {"Ann": 0}), unique_id("__", {})
    ('Ann-1', 'ann-2', 'file')
    """
    # Two underscores stand between identity and driving in a case's id.
    safe = re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-._")[:56] or "file"
    known = {name.lower() for name in taken}
    candidate, number = safe, 2
    while candidate.lower() in known:
        candidate, number = f"{safe}-{number}", number + 1
    return candidate


def _validated(spec: BuildSpec, assets: dict[str, Asset], parts: dict[str, list[Any]]) -> Suite:
    try:
        return Suite(schema=1, name=spec.name, title=spec.name, kind=spec.kind, size=spec.size, assets=assets, **parts)
    except ValidationError as error:
        field, message = first_problem(error)
        raise ConfigError(f"{field or 'suite'}: {message}") from error


def _article(media: str) -> str:
    return "an image" if media == "image" else "a video"
