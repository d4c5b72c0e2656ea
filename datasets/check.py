"""Is a suite complete and sound? What ``bench data check`` prints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import AssetError, MediaError
from .assets import AssetStore
from .manifest import Suite, Window
from .media import Limits, probe
from .timeline import read_timeline

MIN_SIDE = 8


@dataclass
class SuiteCheck:
    """What was found, by asset id; one line for each problem.

    Attributes:
        cases: Number of cases.
        driving_frames: Driving frames over all cases: what a run generates per method.
        bytes: Size of all assets.
        missing: Assets whose file is neither beside the manifest nor in the cache.
        changed: Assets whose file is not the one the manifest means.
        unusable: Assets that cannot be decoded, or whose windows do not fit; filled by a deep check only.
        notes: How what is shown of assets differs from the stored pixels, and what else is unusual.
    """

    cases: int
    driving_frames: int
    bytes: int
    missing: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.changed or self.unusable)


def check_suite(
    store: AssetStore, suite: Suite, folder: Path, deep: bool = False, limits: Limits | None = None
) -> SuiteCheck:
    """Check a suite's files.

    Args:
        store: The cache.
        suite: The suite.
        folder: The manifest's folder.
        deep: Also decode every file as far as it is used, and see that all windows and crops lie inside it.
        limits: Bounds on the files.

    Returns:
        All that is wrong, not only the first.
    """
    cases = suite.cases()
    result = SuiteCheck(
        cases=len(cases),
        driving_frames=sum(case.driving.frames for case in cases),
        bytes=sum(asset.bytes for asset in suite.assets.values()),
    )
    windows = _windows_by_asset(suite)
    for asset_id, asset in suite.assets.items():
        try:
            path = store.locate(suite, asset_id, folder)
            if path is None:
                result.missing.append(asset_id)
                continue
            store.verify(path, asset_id, asset)
        except AssetError as error:
            result.changed[asset_id] = str(error)
            continue
        problem, notes = _misfit(path, asset.media, windows[asset_id], limits) if deep else (None, ())
        if problem:
            result.unusable[asset_id] = f"asset {asset_id}: {problem}"
        if notes:
            result.notes[asset_id] = list(notes)
    if not deep:
        result.notes = asset_notes(store, suite, folder, suite.assets)
    return result


def _windows_by_asset(suite: Suite) -> dict[str, set[Window]]:
    windows: dict[str, set[Window]] = defaultdict(set)
    for case in suite.cases():
        for window in case.windows:
            windows[window.asset].add(window)
    return windows


def _misfit(path: Path, media: str, windows: set[Window], limits: Limits | None) -> tuple[str | None, tuple[str, ...]]:
    """The first thing about a file that the manifest has wrong, and notes on how it is shown; found by decoding."""
    try:
        info = probe(path, limits)
        if info.kind != media:
            return f"is {info.kind}, the manifest says {media}: correct its media field", info.notes
        last = max((window.start + window.frames for window in windows), default=None)
        frames = read_timeline(path, info, frames=last, limits=limits).frames
    except MediaError as error:
        return str(error), ()
    for window in windows:
        end = window.start + window.frames
        if end > frames:
            wanted = f"frames {window.start} to {end - 1} are used"
            return f"{wanted}, and it has {frames}: shorten the window", info.notes
        crop = window.crop
        if crop is not None and (crop.x + crop.side > info.width or crop.y + crop.side > info.height):
            size = f"{info.width} x {info.height}"
            where = f"crop of {crop.side} pixels at ({crop.x}, {crop.y})"
            return f"{where} leaves the picture of {size}: correct the crop", info.notes
        if crop is None and min(info.width, info.height) < MIN_SIDE:
            return f"{info.width} x {info.height} pixels is too small to crop: replace it", info.notes
    return None, info.notes


def asset_notes(store: AssetStore, suite: Suite, folder: Path, asset_ids: Collection[str]) -> dict[str, list[str]]:
    """How assets differ from plain pictures in what is shown of them, by asset id; without those that are plain.

    Files that are missing or cannot be read have no notes: they become rows of their own.
    """
    notes: dict[str, list[str]] = {}
    for asset_id in asset_ids:
        try:
            path = store.locate(suite, asset_id, folder)
            found = probe(path).notes if path is not None else ()
        except (AssetError, MediaError):
            continue
        if found:
            notes[asset_id] = list(found)
    return notes
