"""Bringing a suite's files into the cache: from a folder, or over https. Never during a run."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from ..core.download import DownloadProgress, FetchReport, download
from ..core.errors import AssetError
from ..core.files import atomic_path
from .assets import AssetStore, path_inside
from .manifest import Asset, Suite


def fetch_assets(
    store: AssetStore,
    suite: Suite,
    folder: Path,
    ids: Collection[str] | None = None,
    source: Path | None = None,
    progress: DownloadProgress | None = None,
) -> FetchReport:
    """Bring assets into the cache; what is there and right already is left alone.

    Args:
        store: Where to.
        suite: The suite.
        folder: The manifest's folder.
        ids: Which assets; None for all.
        source: A folder to copy from instead of downloading: looked through by path first, then by file name.
        progress: Told of every chunk.

    Returns:
        What was fetched, what was there and what failed; one failure does not stop the others.

    Raises:
        AssetError: When an id is unknown or ``source`` is not a folder.
    """
    wanted = list(suite.assets) if ids is None else list(ids)
    unknown = [name for name in wanted if name not in suite.assets]
    if unknown:
        raise AssetError(f"suite {suite.name} has no asset called {unknown[0]!r}")
    if source is not None and not source.is_dir():
        raise AssetError(f"folder {source} does not exist: give the folder that holds the suite's files")
    report = FetchReport()
    for asset_id in wanted:
        try:
            if _is_present(store, suite, asset_id, folder):
                report.present.append(asset_id)
            else:
                _fetch_one(store, asset_id, suite.assets[asset_id], source, progress)
                report.fetched.append(asset_id)
        except AssetError as error:
            report.failed[asset_id] = str(error)
    return report


def _is_present(store: AssetStore, suite: Suite, asset_id: str, folder: Path) -> bool:
    """Whether the right file is there. A wrong one in the cache is replaced; one of the user's is never touched."""
    path = store.locate(suite, asset_id, folder)
    if path is None:
        return False
    try:
        store.verify(path, asset_id, suite.assets[asset_id])
    except AssetError:
        if path != store.cached_path(suite.assets[asset_id]):
            raise
        return False
    return True


def _fetch_one(
    store: AssetStore, asset_id: str, asset: Asset, source: Path | None, progress: DownloadProgress | None
) -> None:
    target = store.cached_path(asset)
    found = _find_below(source, store, asset_id, asset) if source is not None else None
    try:
        with atomic_path(target) as temporary:
            if found is None:
                download(asset_id, asset, temporary, progress)
            else:
                shutil.copyfile(found, temporary)
                store.verify(temporary, asset_id, asset)
                if progress is not None:
                    progress(asset_id, asset.bytes, asset.bytes)
    except OSError as error:
        raise AssetError(f"asset {asset_id}: cannot be stored at {target}: {error.strerror or error}") from error


def _find_below(source: Path, store: AssetStore, asset_id: str, asset: Asset) -> Path:
    """The asset's file below a folder: at its path, else any file of its name with the right content."""
    expected = path_inside(source, asset_id, asset)
    if expected.is_file():
        store.verify(expected, asset_id, asset)
        return expected
    name = PurePosixPath(asset.path).name
    for path in sorted(source.rglob("*")):
        if path.name == name and path.is_file() and path.stat().st_size == asset.bytes:
            store.verify(path, asset_id, asset)
            return path
    raise AssetError(f"asset {asset_id}: {asset.path} is not below {source}")
