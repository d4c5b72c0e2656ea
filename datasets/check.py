"""Is a suite complete and sound? What ``bench data check`` prints."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import AssetError, MediaError
from .assets import AssetStore
from .manifest import Suite, Window
from .media import Limits, probe


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
    """

    cases: int
    driving_frames: int
    bytes: int
    missing: list[str] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

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
        deep: Also open every file, and see that all windows and crops lie inside it.
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
        problem = _misfit(path, asset.media, windows[asset_id], limits) if deep else None
        if problem:
            result.unusable[asset_id] = f"asset {asset_id}: {problem}"
    return result


def _windows_by_asset(suite: Suite) -> dict[str, set[Window]]:
    windows: dict[str, set[Window]] = defaultdict(set)
    for case in suite.cases():
        for window in case.windows:
            windows[window.asset].add(window)
    return windows


def _misfit(path: Path, media: str, windows: set[Window], limits: Limits | None) -> str | None:
    """The first thing about a file that the manifest has wrong."""
    try:
        info = probe(path, limits)
    except MediaError as error:
        return str(error)
    if info.kind != media:
        return f"is {info.kind}, the manifest says {media}: correct its media field"
    for window in windows:
        end = window.start + window.frames
        if end > info.frames:
            return f"frames {window.start} to {end - 1} are used, and it has {info.frames}: shorten the window"
        crop = window.crop
        if crop is not None and (crop.x + crop.side > info.width or crop.y + crop.side > info.height):
            size = f"{info.width} x {info.height}"
            return f"crop of {crop.side} pixels at ({crop.x}, {crop.y}) leaves the picture of {size}: correct the crop"
    return None
